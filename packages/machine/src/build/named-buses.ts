import type { PlacedBus } from './placed-bus.ts'

/**
 * Buses by name. Of several with one name, QEMU's `qbus_find_recursive` takes the first that it comes to: host bridges
 * from the newest on, with expanders among them; on the way down a bus before what is below it, and what hangs off newer
 * devices first.
 */
export class NamedBuses {
  readonly #named = new Map<string, PlacedBus[]>()
  readonly #order = new Map<PlacedBus, number>()

  add(bus: PlacedBus): void {
    this.#order.set(bus, this.#order.size)
    const same = this.#named.get(bus.name)
    if (same === undefined) this.#named.set(bus.name, [bus])
    else same.push(bus)
  }

  has(name: string): boolean {
    return this.#named.has(name)
  }

  get(name: string): PlacedBus | undefined {
    const [first, ...others] = this.#named.get(name) ?? []
    return others.reduce((best, bus) => (best !== undefined && this.#isBefore(best, bus) ? best : bus), first)
  }

  keys(): IterableIterator<string> {
    return this.#named.keys()
  }

  #isBefore(a: PlacedBus, b: PlacedBus): boolean {
    const [ofA, ofB] = [this.#path(a), this.#path(b)]
    const at = ofA.findIndex((step, index) => step !== ofB[index])
    // What leads to another comes before it.
    return at < 0 || (ofB[at] !== undefined && ofA[at]! > ofB[at])
  }

  /** Places in the order of creation, from the root bus down. */
  #path(bus: PlacedBus): number[] {
    const path: number[] = []
    for (let at: PlacedBus | undefined = bus; at !== undefined; at = at.above?.bus)
      path.unshift(this.#order.get(at) ?? 0)
    return path
  }
}
