import type { PlacedPlatformDevice, Placement } from '../build/placement.ts'
import type { MachineDescription } from '../description.ts'
import { planAmd } from './amd/plan-amd.ts'
import type { IommuPlan } from './iommu-plan.ts'
import { refuseIommu } from './refuse-iommu.ts'
import { planVirtioIommu } from './virtio/plan-virtio-iommu.ts'
import { planVtd } from './vtd/plan-vtd.ts'

/**
 * The machine's IOMMU; null where it has none.
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function planIommu(placement: Placement, machine: MachineDescription): IommuPlan | null {
  const virtio = placement.functions.filter(({ model }) => model.kind === 'virtio-iommu')
  const foreign = placement.platform.find(({ model }) => model.kind === 'arm-smmuv3')
  if (foreign !== undefined) throw refuseIommu(foreign, `'${foreign.model.name}' is not a valid device model name`)
  const [second] = laterThanFirst([...placement.platform, ...virtio], machine)
  if (second !== undefined) throw refuseIommu(second, 'QEMU does not support multiple vIOMMUs for x86 yet.')
  const [onPci] = virtio
  if (onPci !== undefined) return planVirtioIommu(onPci, machine)
  const [first] = placement.platform
  if (first === undefined) return null
  if (machine.machine !== 'q35') {
    throw refuseIommu(first, `Machine-type '${machine.machine}' not supported by ${first.model.name}; use q35`)
  }
  return first.model.kind === 'amd-iommu' ? planAmd(first, placement, machine) : planVtd(first, machine)
}

/** All of these but the one that the description names first. */
function laterThanFirst(
  iommus: readonly PlacedPlatformDevice[],
  { devices }: MachineDescription,
): readonly PlacedPlatformDevice[] {
  const place = ({ description }: PlacedPlatformDevice): number => devices.indexOf(description)
  return [...iommus].sort((a, b) => place(a) - place(b)).slice(1)
}
