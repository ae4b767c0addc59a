import { isBridge, type PciBus } from '@dmascope/pci'

/** Numbers of the first and the last of some buses. */
export interface BusRange {
  readonly first: number
  readonly last: number
}

/** QEMU's `pci_bus_range`: a root bus and what its bridges forward to, by the numbers that software gave them. */
export function busRange(bus: PciBus): BusRange {
  let first = bus.number
  let last = bus.number
  for (const { function: one } of bus.slots) {
    if (!isBridge(one)) continue
    first = Math.min(first, one.secondaryBusNumber)
    last = Math.max(last, one.subordinateBusNumber)
  }
  return { first, last }
}
