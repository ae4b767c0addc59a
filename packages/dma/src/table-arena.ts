import type { Access } from '@dmascope/memory/contracts'

/** One level of entries in memory, each for a page of a window of bus addresses. */
export interface TranslationTable {
  /** Bus address of the first entry's page. */
  readonly base: number
  /** log2 of a page's bytes. */
  readonly pageShift: number
  readonly entries: number
  set(entry: number, physical: number, access: Access): void
  /** The page leads nowhere that matters. The hardware may still know better until `flushAll`. */
  clear(entry: number): void
  /** The hardware forgets what it keeps of any entry. */
  flushAll(): void
}

/**
 * Who has which entries of a table. It goes through them upwards and gives none out twice before it has come round, so
 * that what the hardware keeps needs flushing but once a round: Linux's `iommu_range_alloc` of sparc64.
 */
export class TableArena {
  readonly table: TranslationTable
  readonly #taken: Uint8Array
  #next = 0

  constructor(table: TranslationTable) {
    this.table = table
    this.#taken = new Uint8Array(table.entries)
  }

  /** @returns the first of `count` entries in a row; null where there are none */
  allocate(count: number): number | null {
    let first = this.#search(this.#next, count)
    if (first === null) {
      this.table.flushAll()
      first = this.#search(0, count)
    }
    if (first === null) return null
    this.#taken.fill(1, first, first + count)
    this.#next = first + count
    return first
  }

  #search(from: number, count: number): number | null {
    const taken = this.#taken
    let run = 0
    for (let entry = from; entry < taken.length; entry++) {
      run = taken[entry] === 0 ? run + 1 : 0
      if (run === count) return entry - count + 1
    }
    return null
  }

  release(first: number, count: number): void {
    this.#taken.fill(0, first, first + count)
  }
}
