import type { PciBridge, PciBus } from './bus.ts'
import { isBridge } from './bus.ts'
import { busOf } from './spec/routing-id.ts'

/**
 * Which bus a configuration request for a number reaches, as QEMU's `pci_find_bus_nr` finds it: from the first root bus
 * down, at each bus the newest below it that has the number, or that leads to it. So where two buses have the same
 * number, as where an expander's is one that firmware gave to a bridge, all requests go to the one that was made later.
 *
 * A bridge takes requests for [secondary, subordinate] that its own bus gets. Those that nothing below answers still go
 * down there, and end.
 */
export class BusRoutes {
  readonly #busesBelow: (bus: PciBus) => readonly PciBus[]
  #found: (PciBus | null | undefined)[] = []
  #below = new Map<PciBus, readonly PciBus[]>()

  /** @param busesBelow - buses one step below a bus, the newest first */
  constructor(busesBelow: (bus: PciBus) => readonly PciBus[]) {
    this.#busesBelow = busesBelow
  }

  /** Bus numbers, or the tree, have changed. */
  forget(): void {
    this.#found = []
    this.#below.clear()
  }

  find(root: PciBus, number: number): PciBus | null {
    const known = this.#found[number]
    if (known !== undefined) return known
    const found = this.#walk(root, number)
    this.#found[number] = found
    return found
  }

  #walk(root: PciBus, number: number): PciBus | null {
    let at = root
    while (at.number !== number) {
      const next = this.#of(at).find((below) => below.number === number || leadsTo(below, number))
      if (next === undefined) return hasVirtualFunctions(at, number) ? at : null
      at = next
    }
    return at
  }

  #of(bus: PciBus): readonly PciBus[] {
    let below = this.#below.get(bus)
    if (below === undefined) {
      below = this.#busesBelow(bus)
      this.#below.set(bus, below)
    }
    return below
  }
}

/** Whether requests for this number go down to the bus: a root bus takes those that its bridges do. */
function leadsTo(bus: PciBus, number: number): boolean {
  if (bus.bridge !== null) return isInRange(bus.bridge, number)
  return bus.slots.some(({ function: one }) => isBridge(one) && isInRange(one, number))
}

/** A device has captured a further number for its virtual functions. */
const hasVirtualFunctions = (bus: PciBus, number: number): boolean =>
  bus.slots.some(({ requesterId, physical }) => physical !== undefined && busOf(requesterId) === number)

const isInRange = ({ secondaryBusNumber, subordinateBusNumber }: PciBridge, number: number): boolean =>
  secondaryBusNumber <= number && number <= subordinateBusNumber
