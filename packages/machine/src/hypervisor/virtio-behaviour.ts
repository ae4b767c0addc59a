import { findModel } from '../catalogue/catalogue.ts'
import type { Properties } from '../catalogue/check-properties.ts'
import type { DeviceModel, ModelKind } from '../catalogue/model.ts'
import type { MachineDescription } from '../description.ts'
import type { Hypervisor } from './hypervisor.ts'
import { QEMU } from './hypervisors.ts'

/** What one virtio device does about the platform's DMA, by its hypervisor's rules and its own properties. */
export interface VirtioBehaviour {
  readonly offersAccessPlatform: boolean
  /** Its DMA takes the way of any other device's, through whatever stands there. */
  readonly throughPlatform: boolean
  /** Drivers that it refuses for declining an offered VIRTIO_F_ACCESS_PLATFORM. */
  readonly insists: 'version-1' | 'always' | 'never'
}

/** The hypervisor's rules for one device. A virtio IOMMU is QEMU's own whatever they say: its requests are translated by nobody. */
export function virtioBehaviour(
  hypervisor: Hypervisor,
  model: DeviceModel,
  properties: Properties,
  machine: MachineDescription,
): VirtioBehaviour {
  const { accessPlatform, virtioDma, insists } = model.kind === 'virtio-iommu' ? QEMU : hypervisor
  const power = isPower(machine)
  const offersAccessPlatform = offers(accessPlatform, power, properties.iommu_platform === true)
  return {
    offersAccessPlatform,
    throughPlatform: virtioDma === 'as-offered' ? offersAccessPlatform : goesThrough(virtioDma, power),
    insists: insists !== 'behind-iommu' ? insists : hasIommu(machine) ? 'always' : 'never',
  }
}

function offers(rule: Hypervisor['accessPlatform'], power: boolean, iommuPlatform: boolean): boolean {
  switch (rule) {
    case 'never':
      return false
    case 'property':
      return iommuPlatform
    case 'always':
      return true
    case 'always-but-on-power':
      return !power
  }
}

const goesThrough = (rule: Exclude<Hypervisor['virtioDma'], 'as-offered'>, power: boolean): boolean =>
  rule === 'platform' || (rule === 'platform-but-on-power' && !power)

const POWER: ReadonlySet<MachineDescription['machine']> = new Set(['pseries', 'powernv9', 'ppce500', 'mac99'])
/** Of these, the ones that have an IOMMU. */
const TRANSLATED_POWER: ReadonlySet<MachineDescription['machine']> = new Set(['pseries', 'powernv9'])

/** Machines with processors of POWER. */
const isPower = ({ machine }: Pick<MachineDescription, 'machine'>): boolean => POWER.has(machine)

const IOMMUS: ReadonlySet<ModelKind | undefined> = new Set(['intel-iommu', 'amd-iommu', 'arm-smmuv3', 'virtio-iommu'])

/** What `iommu=on` of that time says: the machine has an IOMMU for its devices. */
const hasIommu = ({ machine, machineProperties, devices }: MachineDescription): boolean =>
  TRANSLATED_POWER.has(machine) ||
  machine === 'sun4u' ||
  (machineProperties.iommu !== undefined && machineProperties.iommu !== 'none') ||
  devices.some(({ model }) => IOMMUS.has(findModel(model)?.kind))
