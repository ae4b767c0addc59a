import { above } from './mapping-table.ts'
import type { ReservedRegion } from './options.ts'

const STRIDE = 4

/** Reserved regions, for the path that a DMA takes. */
export class ReservedRanges {
  /** Start and end of each, as (hi, lo) pairs. */
  readonly #words: Uint32Array
  readonly #regions: readonly ReservedRegion[]

  constructor(regions: readonly ReservedRegion[]) {
    this.#regions = regions
    this.#words = new Uint32Array(STRIDE * regions.length)
    for (const [index, { start, end }] of regions.entries()) {
      this.#words.set([high(start), low(start), high(end), low(end)], STRIDE * index)
    }
  }

  /** Index of the region that has an address; -1 where none does. */
  find(hi: number, lo: number): number {
    const words = this.#words
    for (let at = 0; at < words.length; at += STRIDE) {
      if (!above(words[at]!, words[at + 1]!, hi, lo) && !above(hi, lo, words[at + 2]!, words[at + 3]!)) {
        return at / STRIDE
      }
    }
    return -1
  }

  isMsi(index: number): boolean {
    return this.#regions[index]!.kind === 'msi'
  }

  /** Whether any region touches [start, end]. */
  touches(startHi: number, startLo: number, endHi: number, endLo: number): boolean {
    const words = this.#words
    for (let at = 0; at < words.length; at += STRIDE) {
      if (
        !above(words[at]!, words[at + 1]!, endHi, endLo) &&
        !above(startHi, startLo, words[at + 2]!, words[at + 3]!)
      ) {
        return true
      }
    }
    return false
  }
}

const high = (value: number): number => Math.floor(value / 2 ** 32)
const low = (value: number): number => value % 2 ** 32
