import { hypervisorName } from '../hypervisor-name.ts'
import type { ReportDevice } from '../report.ts'
import type { DeviceCase } from './rules.ts'

const ACCESS_PLATFORM = 33
/** A virtio device that leaves bit 33 out, and so may do as it likes with addresses. */
export const lacksAccessPlatform = ({ virtio }: ReportDevice): boolean =>
  virtio !== undefined && !virtio.offered.includes(ACCESS_PLATFORM)

/** The option that has a virtio device offer bit 33, where it does not; null else. The rest stays as the user wrote it. */
export function offerAccessPlatform({ device, seen, machine }: DeviceCase): string | null {
  if (!lacksAccessPlatform(device)) return null
  const model = seen.described?.model ?? seen.model
  const option =
    device.interrupt.mode === 'wire' || model.endsWith('-device')
      ? `-global virtio-mmio.force-legacy=false -device ${model},...,iommu_platform=on`
      : `-device ${model},...,iommu_platform=on${model.endsWith('-ccw') ? '' : ',disable-legacy=on'}`
  const hypervisor = hypervisorName(machine)
  return hypervisor === 'qemu' || hypervisor === 'qemu-2.9' ? option : `QEMU 2.9 or later, with ${option}`
}
