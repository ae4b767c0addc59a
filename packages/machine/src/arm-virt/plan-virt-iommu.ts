import { GITS_FRAME } from '@dmascope/gic/spec'
import { smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import { DmascopeError } from '@dmascope/layout'
import { requesterId } from '@dmascope/pci/spec'
import type { Placement } from '../build/placement.ts'
import type { MachineDescription } from '../description.ts'
import type { IommuPlan } from '../iommu/iommu-plan.ts'
import { refuseIommu } from '../iommu/refuse-iommu.ts'
import { planSmmuV3 } from '../iommu/smmuv3/plan-smmuv3.ts'
import { planVirtioIommu } from '../iommu/virtio/plan-virtio-iommu.ts'
import { VIRT, VIRT_SPI } from './memory-map.ts'
import { planSmmuDevices } from './smmu-device.ts'
import type { VirtFacts, VirtIommu } from './virt-facts.ts'

/** QEMU tells the device where the doorbells are, both ends in it: those of the ITS to the end of its frames. */
const DOORBELLS = {
  its: { start: VIRT.gicIts.base + GITS_FRAME, end: VIRT.gicIts.base + GITS_FRAME + VIRT.gicIts.size / 2 - 1 },
  gicv2m: { start: VIRT.gicV2m.base, end: VIRT.gicV2m.base + VIRT.gicV2m.size - 1 },
  none: null,
} as const
/** `aw-bits` of newer releases. */
const INPUT_BITS = 48

/** The machine's IOMMUs, and what its device tree and tables say of them. */
export interface VirtIommuPlan {
  readonly iommus: readonly IommuPlan[]
  readonly announced: VirtIommu
}

/**
 * The SMMU of `-machine iommu=smmuv3`, those of `-device arm-smmuv3`, or the virtio-iommu among the devices.
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function planVirtIommu(
  placement: Placement,
  machine: MachineDescription,
  { msi, bypass }: { readonly msi: VirtFacts['msi']; readonly bypass: boolean },
): VirtIommuPlan {
  const { functions, platform } = placement
  const smmus = platform.filter(({ model }) => model.kind === 'arm-smmuv3')
  const foreign = platform.find(({ model }) => model.kind !== 'arm-smmuv3')
  if (foreign !== undefined) throw refuseIommu(foreign, `'${foreign.model.name}' is not a valid device model name`)
  const [onPci, second] = functions.filter(({ model }) => model.kind === 'virtio-iommu')
  const smmu = machine.machineProperties.iommu === 'smmuv3'
  const surplus = smmu ? onPci : second
  const places = planSmmuDevices(smmus, placement, machine, bypass)
  if (places.length > 0 && onPci !== undefined) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `${onPci.description.location.text}: QEMU takes a virtio-iommu after arm-smmuv3, and then both are there, which is not modelled; leave one of them out`,
      { device: onPci.model.name },
    )
  }
  if (surplus !== undefined) throw refuseIommu(surplus, 'virt machine does not support multiple IOMMUs')
  const { qemuVersion } = machine
  const its = msi === 'its'
  if (smmu) {
    const place = { base: VIRT.smmu.base, spi: VIRT_SPI.smmu, rootBus: null }
    const facts = { qemuVersion, its, features: smmuv3OptionsFor(qemuVersion) }
    return { iommus: [planSmmuV3(place, facts)], announced: { kind: 'smmuv3', mapped: !bypass, place } }
  }
  if (places.length > 0) {
    return {
      iommus: places.map((place) => planSmmuV3(place, { qemuVersion, its, features: place.features })),
      announced: {
        kind: 'smmuv3-devices',
        places,
        own: places.find(({ rootBus }) => rootBus === placement.rootBus) ?? null,
      },
    }
  }
  if (onPci === undefined) return { iommus: [], announced: { kind: 'none' } }
  return {
    iommus: [planVirtioIommu(onPci, machine, { msi: DOORBELLS[msi], inputBits: INPUT_BITS })],
    announced: { kind: 'virtio-iommu', mapped: !bypass, requesterId: requesterId(0, onPci.device, onPci.fn) },
  }
}
