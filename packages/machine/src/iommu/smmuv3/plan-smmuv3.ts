import { type InterruptLine, type SmmuV3Features, SmmuV3Unit } from '@dmascope/iommu/smmuv3'
import { iortTable } from '../../arm-virt/iort-table.ts'
import { VIRT } from '../../arm-virt/memory-map.ts'
import type { SmmuPlace } from '../../arm-virt/virt-facts.ts'
import type { QemuVersion } from '../../description.ts'
import type { IommuPlan } from '../iommu-plan.ts'

/** Wires from the unit's first on. The page request queue's, the second, is never used. */
const WIRES: Readonly<Record<InterruptLine, number>> = { eventq: 0, 'cmd-sync': 2, gerror: 3 }

/** What an SMMU of a `virt` machine is, besides where. */
export interface SmmuFacts {
  readonly qemuVersion: QemuVersion
  readonly features: SmmuV3Features
  /** Messages go to an ITS. */
  readonly its: boolean
}

/** An SMMU of a `virt` machine, in front of one root bus, or of all that do not bypass it. */
export function planSmmuV3(place: SmmuPlace, { qemuVersion, features, its }: SmmuFacts): IommuPlan {
  const { base, spi, rootBus } = place
  return {
    ...(rootBus !== null && { rootBus }),
    functionAt: null,
    create(wiring) {
      const unit = new SmmuV3Unit({
        ...features,
        ram: wiring.ram,
        raiseInterrupt: (line) => wiring.raiseWire(spi + WIRES[line]),
        onFault: wiring.onFault,
      })
      return {
        translator: unit,
        windows: [{ name: 'SMMUv3', base, size: VIRT.smmu.size, handler: unit }],
        pciFunction: null,
        ioApicRequester: null,
      }
    },
    acpiTable: (roots) => iortTable({ qemuVersion, smmus: [place], its }, roots),
    checkDevice() {},
  }
}
