import type { PciSlot } from '@dmascope/pci'
import type { RootBusFacts } from './iommu-plan.ts'

/**
 * The functions of a root bus that tables name, by routing ID, as QEMU goes through them: virtual functions too, enabled
 * or not, since these are made with their physical function.
 */
export function tableSlots({ bus, placed }: RootBusFacts): PciSlot[] {
  const virtual = bus.virtualSlots.filter(
    ({ enabled, requesterId }) => !enabled && placed.virtual.has(requesterId & 0xff),
  )
  return virtual.length === 0
    ? [...bus.slots]
    : [...bus.slots, ...virtual].sort((a, b) => a.requesterId - b.requesterId)
}
