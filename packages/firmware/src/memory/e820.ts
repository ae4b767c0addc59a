import { E820_TYPE } from '@dmascope/acpi'

/** A range of the memory map that a kernel gets: guest-physical, and an address range type of ACPI. */
export interface E820Range {
  readonly base: number
  readonly length: number
  readonly type: number
}

/** The memory map while it is being made: what is said later holds over what was said before. */
export class MemoryMap {
  /** Ascending. */
  #ranges: E820Range[] = []

  /** [base, base + length) is of this type from now on. */
  add(base: number, length: number, type: number): void {
    if (length <= 0) return
    this.remove(base, length)
    const ranges = this.#ranges
    let at = ranges.length
    while (at > 0 && ranges[at - 1]!.base > base) at--
    ranges.splice(at, 0, { base, length, type })
  }

  /** Nothing is said of [base, base + length) any more. */
  remove(base: number, length: number): void {
    const end = base + length
    const kept: E820Range[] = []
    for (const range of this.#ranges) {
      const { type } = range
      const rangeEnd = range.base + range.length
      if (rangeEnd <= base || range.base >= end) {
        kept.push(range)
        continue
      }
      if (range.base < base) kept.push({ base: range.base, length: base - range.base, type })
      if (rangeEnd > end) kept.push({ base: end, length: rangeEnd - end, type })
    }
    this.#ranges = kept
  }

  /** Whether anything is said of some byte of [base, base + length). */
  isUsed(base: number, length: number): boolean {
    return this.#ranges.some((range) => range.base < base + length && base < range.base + range.length)
  }

  /** First byte behind the RAM that lies below 4 GiB, and bytes of RAM above 4 GiB. */
  ram(): { lowEnd: number; above4G: number } {
    let lowEnd = 0
    let above4G = 0
    for (const { base, length, type } of this.#ranges) {
      if (type !== E820_TYPE.ram) continue
      if (base < 0x1_0000_0000) lowEnd = Math.max(lowEnd, Math.min(base + length, 0x1_0000_0000))
      else above4G += length
    }
    return { lowEnd, above4G }
  }

  /** Ascending; neighbours of one type are one range. */
  ranges(): E820Range[] {
    const merged: E820Range[] = []
    for (const range of this.#ranges) {
      const last = merged.at(-1)
      if (last !== undefined && last.type === range.type && last.base + last.length === range.base) {
        merged[merged.length - 1] = { base: last.base, length: last.length + range.length, type: last.type }
      } else merged.push(range)
    }
    return merged
  }
}
