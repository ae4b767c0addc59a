import { GITS_FRAME } from '@dmascope/gic/spec'
import { requesterId } from '@dmascope/pci/spec'
import type { Placement } from '../build/placement.ts'
import type { MachineDescription } from '../description.ts'
import type { IommuPlan } from '../iommu/iommu-plan.ts'
import { refuseIommu } from '../iommu/refuse-iommu.ts'
import { planSmmuV3 } from '../iommu/smmuv3/plan-smmuv3.ts'
import { planVirtioIommu } from '../iommu/virtio/plan-virtio-iommu.ts'
import { VIRT } from './memory-map.ts'
import type { VirtFacts, VirtIommu } from './virt-facts.ts'

/** QEMU tells the device where the doorbells are, both ends in it: those of the ITS to the end of its frames. */
const DOORBELLS = {
  its: { start: VIRT.gicIts.base + GITS_FRAME, end: VIRT.gicIts.base + GITS_FRAME + VIRT.gicIts.size / 2 - 1 },
  gicv2m: { start: VIRT.gicV2m.base, end: VIRT.gicV2m.base + VIRT.gicV2m.size - 1 },
  none: null,
} as const
/** `aw-bits` of newer releases. */
const INPUT_BITS = 48

/** The machine's IOMMU, and what its device tree says of it. */
export interface VirtIommuPlan {
  readonly iommu: IommuPlan | null
  readonly announced: VirtIommu
}

/**
 * The IOMMU of `-machine iommu=smmuv3`, or the virtio-iommu among the devices.
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function planVirtIommu(
  { functions, platform }: Placement,
  machine: MachineDescription,
  { msi, bypass }: { readonly msi: VirtFacts['msi']; readonly bypass: boolean },
): VirtIommuPlan {
  const [foreign] = platform
  if (foreign !== undefined) throw refuseIommu(foreign, `'${foreign.model.name}' is not a valid device model name`)
  const [onPci, second] = functions.filter(({ model }) => model.kind === 'virtio-iommu')
  const smmu = machine.machineProperties.iommu === 'smmuv3'
  const surplus = smmu ? onPci : second
  if (surplus !== undefined) throw refuseIommu(surplus, 'virt machine does not support multiple IOMMUs')
  // Releases before 9.2 put every function behind the IOMMU, whatever the machine's own bus does.
  const mapped = !bypass || machine.qemuVersion === '7.2'
  if (smmu) return { iommu: planSmmuV3(machine, msi === 'its'), announced: { kind: 'smmuv3', mapped } }
  if (onPci === undefined) return { iommu: null, announced: { kind: 'none' } }
  return {
    iommu: planVirtioIommu(onPci, machine, { msi: DOORBELLS[msi], inputBits: INPUT_BITS }),
    announced: { kind: 'virtio-iommu', mapped, requesterId: requesterId(0, onPci.device, onPci.fn) },
  }
}
