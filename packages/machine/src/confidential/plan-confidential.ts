import { DmascopeError } from '@dmascope/layout'
import type { Properties } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import type { MachineDescription } from '../description.ts'
import type { ConfidentialKind } from './confidential-guest.ts'

const MACHINES: Readonly<Record<ConfidentialKind, readonly MachineDescription['machine'][]>> = {
  sev: ['q35', 'pc'],
  pef: ['pseries'],
  pv: ['s390-ccw-virtio'],
}

/**
 * What keeps the guest's memory private; null where nothing does.
 *
 * @throws DmascopeError MACHINE_REFUSED or MACHINE_NOT_MODELLED where such a guest cannot have this machine
 */
export function confidentialKind({ machine, machineProperties, devices }: MachineDescription): ConfidentialKind | null {
  const { confidential } = machineProperties
  if (confidential !== 'sev' && confidential !== 'pef' && confidential !== 'pv') return null
  const fitting = MACHINES[confidential]
  if (!fitting.includes(machine)) {
    throw new DmascopeError(
      'MACHINE_REFUSED',
      `confidential=${confidential} is for ${fitting.join(' and ')}, not for ${machine}`,
      { machine, confidential },
    )
  }
  const iommu = confidential === 'sev' ? devices.find(({ model }) => model.includes('iommu')) : undefined
  if (iommu === undefined) return confidential
  throw new DmascopeError(
    'MACHINE_NOT_MODELLED',
    `${iommu.location.text}: an IOMMU in a guest of AMD SEV, whose tables would have to be in shared pages, is not modelled; leave it out`,
    { device: iommu.model, confidential },
  )
}

/**
 * A device's properties as QEMU has them before any that are given: in a confidential guest virtio devices are modern,
 * and go by the platform's rules (QEMU's `machine_run_board_init`).
 */
export function confidentialDefaults(
  { machineProperties: { confidential } }: MachineDescription,
  { properties, virtio, virtioBus }: DeviceModel,
  given: Properties,
): Properties {
  if (confidential === undefined || (virtio === null && !virtioBus)) return given
  return {
    ...('disable-legacy' in properties && { 'disable-legacy': 'on' }),
    ...('iommu_platform' in properties && { iommu_platform: true }),
    ...given,
  }
}
