/** Addresses [start, end), given out at the lowest place that fits. */
export class AddressArena {
  readonly #end: number
  /** Free ranges, ascending. */
  readonly #free: { start: number; end: number }[]
  /** One after the last address that was given out. */
  top: number

  constructor(start: number, end: number) {
    this.#free = [{ start, end }]
    this.#end = end
    this.top = start
  }

  /** The address; null where nothing fits. @param align - a power of two */
  take(size: number, align: number): number | null {
    for (const [index, range] of this.#free.entries()) {
      const base = Math.ceil(range.start / align) * align
      if (base + size > range.end || base + size > this.#end) continue
      const rest = [
        { start: range.start, end: base },
        { start: base + size, end: range.end },
      ].filter(({ start, end }) => end > start)
      this.#free.splice(index, 1, ...rest)
      this.top = Math.max(this.top, base + size)
      return base
    }
    return null
  }
}
