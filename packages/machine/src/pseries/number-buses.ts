import { isBridge, type PciBus } from '@dmascope/pci'
import { PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'

const { PRIMARY_BUS_NUMBER, SECONDARY_BUS_NUMBER, SUBORDINATE_BUS_NUMBER } = PCI_HEADER_TYPE1.registers

/** Numbers the buses below a root bus, depth first, as QEMU does before it writes a host bridge's part of the tree. */
export function numberBuses(root: PciBus): void {
  let last = root.number
  const visit = (bus: PciBus): void => {
    for (const { function: one } of bus.slots) {
      if (!isBridge(one)) continue
      const secondary = ++last
      one.config.write(PRIMARY_BUS_NUMBER.offset, 1, bus.number)
      one.config.write(SECONDARY_BUS_NUMBER.offset, 1, secondary)
      one.config.write(SUBORDINATE_BUS_NUMBER.offset, 1, 0xff)
      visit(one.secondary)
      one.config.write(SUBORDINATE_BUS_NUMBER.offset, 1, last)
    }
  }
  visit(root)
}
