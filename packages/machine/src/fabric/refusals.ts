/** Refusals that are remembered within a turn: a ring has three parts, each on a page of its own. */
const KEPT = 8

/**
 * Pages where the IOMMU refused a view just now. A device that gets no view goes on to the access itself; that is the
 * same access to whoever looks at the bus, and must make no second fault. It does so in the same turn: later the guest
 * may have mapped the page.
 */
export class Refusals {
  readonly #turn: () => number
  readonly #pages: { readonly hi: number; readonly page: number; readonly access: 1 | 2 }[] = []
  #noted = -1

  /** @param turn - changes with each turn that functions get to work */
  constructor(turn: () => number) {
    this.#turn = turn
  }

  note(hi: number, lo: number, access: 1 | 2): void {
    const turn = this.#turn()
    if (turn !== this.#noted) this.#pages.length = 0
    this.#noted = turn
    if (this.#pages.length < KEPT) this.#pages.push({ hi, page: lo >>> 12, access })
  }

  /** Whether this access was refused already; it is then forgotten. */
  take(hi: number, lo: number, access: 1 | 2): boolean {
    const pages = this.#pages
    if (pages.length === 0) return false
    if (this.#turn() !== this.#noted) {
      pages.length = 0
      return false
    }
    const index = pages.findIndex((one) => one.page === lo >>> 12 && one.hi === hi && one.access === access)
    if (index < 0) return false
    pages.splice(index, 1)
    return true
  }
}
