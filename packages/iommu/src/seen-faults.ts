/** How many faults observers are kept; later ones only count. */
const MOST_SEEN = 1024

/** What observers are told of a unit's faults, whatever the unit itself records of them. */
export abstract class SeenFaults<Fault> {
  /** The first faults since reset, recorded or not, in order. At most 1024. */
  readonly seen: Fault[] = []
  /** All faults since reset. */
  count = 0
  readonly #onFault: ((fault: Fault) => void) | undefined

  constructor(onFault: ((fault: Fault) => void) | undefined) {
    this.#onFault = onFault
  }

  /** Counts a fault. False where nobody wants to know more of it, so that it need not be put together. */
  protected countFault(): boolean {
    this.count++
    return this.seen.length < MOST_SEEN || this.#onFault !== undefined
  }

  /** Tells of a fault that was counted. */
  protected tellFault(fault: Fault): void {
    if (this.seen.length < MOST_SEEN) this.seen.push(fault)
    this.#onFault?.(fault)
  }

  reset(): void {
    this.seen.length = 0
    this.count = 0
  }
}
