/** A stretch of bus addresses, and where it is for what the bus is on. */
export interface InboundWindow {
  readonly bus: number
  /** The address that the first of them has above: in memory, or on the next bus. */
  readonly memory: number
  readonly size: number
}

/**
 * The windows through which devices of a bus reach memory. What is in none of them is nobody's on that bus.
 *
 * Windows are of whole pages, so that a page is in one or in none.
 */
export class InboundWindows {
  readonly #starts: Float64Array
  readonly #ends: Float64Array
  readonly #memory: Float64Array
  #last = 0

  /** @param windows - disjoint in bus addresses, of whole pages, below 2^53 */
  constructor(windows: readonly InboundWindow[]) {
    this.#starts = Float64Array.from(windows, ({ bus }) => bus)
    this.#ends = Float64Array.from(windows, ({ bus, size }) => bus + size)
    this.#memory = Float64Array.from(windows, ({ memory }) => memory)
  }

  /** The address in memory of [bus, bus + length); -1 where that is not in one window. */
  memoryOf(bus: number, length: number): number {
    const end = bus + length
    const last = this.#last
    if (bus >= this.#starts[last]! && end <= this.#ends[last]!) return bus - this.#starts[last]! + this.#memory[last]!
    for (let index = 0; index < this.#starts.length; index++) {
      if (bus < this.#starts[index]! || end > this.#ends[index]!) continue
      this.#last = index
      return bus - this.#starts[index]! + this.#memory[index]!
    }
    return -1
  }
}

/** Windows one after the other: what passes the first comes to the second at the address that the first gives it. */
export const composeWindows = (first: readonly InboundWindow[], second: readonly InboundWindow[]): InboundWindow[] =>
  first.flatMap((low) =>
    second.flatMap((high) => {
      const start = Math.max(low.memory, high.bus)
      const end = Math.min(low.memory + low.size, high.bus + high.size)
      if (end <= start) return []
      return { bus: start - low.memory + low.bus, memory: start - high.bus + high.memory, size: end - start }
    }),
  )

/** Two windows that have bus addresses in common; null where all are disjoint. */
export function overlapOf<T extends Pick<InboundWindow, 'bus' | 'size'>>(
  windows: readonly T[],
): readonly [T, T] | null {
  const sorted = [...windows].sort((a, b) => a.bus - b.bus)
  for (const [index, one] of sorted.entries()) {
    const next = sorted[index + 1]
    if (next !== undefined && one.bus + one.size > next.bus) return [one, next]
  }
  return null
}
