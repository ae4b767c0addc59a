import { type InterruptLine, SmmuV3Unit, smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import { iortTable } from '../../arm-virt/iort-table.ts'
import { VIRT, VIRT_SPI } from '../../arm-virt/memory-map.ts'
import type { MachineDescription } from '../../description.ts'
import type { IommuPlan } from '../iommu-plan.ts'

/** Wires from the unit's first on. The page request queue's, the second, is never used. */
const WIRES: Readonly<Record<InterruptLine, number>> = { eventq: 0, 'cmd-sync': 2, gerror: 3 }

/**
 * The SMMU of `-machine virt,iommu=smmuv3`, in front of the machine's own root bus and those that do not bypass.
 *
 * @param its - messages go to an ITS
 */
export function planSmmuV3({ qemuVersion }: MachineDescription, its: boolean): IommuPlan {
  return {
    functionAt: null,
    create(wiring) {
      const unit = new SmmuV3Unit({
        ...smmuv3OptionsFor(qemuVersion),
        ram: wiring.ram,
        raiseInterrupt: (line) => wiring.raiseWire(VIRT_SPI.smmu + WIRES[line]),
        onFault: wiring.onFault,
      })
      return {
        translator: unit,
        windows: [{ name: 'SMMUv3', ...VIRT.smmu, handler: unit }],
        pciFunction: null,
        ioApicRequester: null,
      }
    },
    acpiTable: (roots) => iortTable({ qemuVersion, smmu: true, its }, roots),
    checkDevice() {},
  }
}
