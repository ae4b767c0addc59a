import type { PageAllocator } from '@dmascope/dma'
import { FIRST_STAGE_ENTRY_BITS, SECOND_STAGE_ENTRY_BITS } from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'

const PAGE = 4096
const ENTRIES = 512
// PS and ADDR stand in the same place in entries of both stages; P and R/W of the first where R and W of the second do.
const { PS, SNP, ADDR, R, W } = SECOND_STAGE_ENTRY_BITS.fields
const RIGHTS = R.loMask | W.loMask
const { U_S, A, D } = FIRST_STAGE_ENTRY_BITS.fields

export type Stage = 'first' | 'second'

/** Bytes that one entry of a table of this level maps; level 1 holds 4 KiB pages. */
const spanOf = (level: number): number => PAGE * ENTRIES ** (level - 1)

export interface PageTableOptions {
  readonly stage: Stage
  readonly bus: CpuBus
  readonly pages: PageAllocator
  /** 3, 4 or 5 levels, for addresses of 39, 48 or 57 bits. */
  readonly levels: number
  /** 0: 4 KiB pages only; 1: 2 MiB as well; 2: 1 GiB as well. */
  readonly superpageLevels: number
  /** Sets SNP in second-stage leaves: accesses snoop the caches whatever the device asked for. */
  readonly snoop: boolean
}

/** A page table in guest memory, as the driver builds it (VT-d 4.1 §9.7, §9.8). */
export class PageTable {
  readonly stage: Stage
  /** Guest-physical address of the top table. */
  readonly root: number
  readonly levels: number
  /** One past the last address that the table reaches. */
  readonly end: number
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #superpageLevels: number
  readonly #leafBits: number
  readonly #tableBits: number
  /** Pages that are tables of this one. What an entry says is believed only of these: memory may be damaged. */
  readonly #tables = new Set<number>()
  #entryLevel = 1

  private constructor(options: PageTableOptions, root: number) {
    const { stage } = options
    this.stage = stage
    this.root = root
    this.levels = options.levels
    this.end = Math.min(spanOf(options.levels + 1), 2 ** 53)
    this.#bus = options.bus
    this.#pages = options.pages
    this.#superpageLevels = options.superpageLevels
    // A and D are set beforehand, so that the hardware need not.
    this.#leafBits = stage === 'first' ? U_S.loMask | A.loMask : options.snoop ? SNP.loMask : 0
    this.#tableBits = stage === 'first' ? RIGHTS | U_S.loMask | A.loMask : RIGHTS
  }

  /** An empty table; null where memory ran out. */
  static create(options: PageTableOptions): PageTable | null {
    const root = options.pages.allocate(1)
    return root === null ? null : new PageTable(options, root)
  }

  /**
   * Maps [iova, iova + length) onto [physical, physical + length) in the largest pages that fit. All are multiples of
   * 4096. What may be written may be read, too: Linux writes no entry without R since 5.13.
   *
   * @returns false, with nothing changed, where a page was mapped already, or table memory ran out
   */
  map(iova: number, physical: number, length: number, access: 1 | 2 | 3): boolean {
    if (length <= 0 || iova + length > this.end) return false
    const rights = access | R.loMask
    const dirty = this.stage === 'first' && (access & W.loMask) !== 0 ? D.loMask : 0
    let done = 0
    while (done < length) {
      const entry = this.#entryFor(iova + done, this.#largestLevel(iova + done, physical + done, length - done))
      if (entry === null || (this.#bus.read32(entry) & RIGHTS) !== 0) {
        for (const table of this.unmap(iova, done)) this.#pages.free(table, 1)
        return false
      }
      const level = this.#entryLevel
      const at = physical + done
      const bits = rights | dirty | this.#leafBits | (level > 1 ? PS.loMask : 0)
      // The half with the rights last: until then the entry is not present.
      this.#bus.write32(entry + 4, highWord(at))
      this.#bus.write32(entry, (lowWord(at) | bits) >>> 0)
      done += spanOf(level)
    }
    return true
  }

  /**
   * Clears every entry in the range; a larger page that begins in it goes whole. Tables that fell empty are unlinked.
   *
   * @returns the tables unlinked, which the hardware may still walk until they are invalidated; the caller frees them
   */
  unmap(iova: number, length: number): number[] {
    const unlinked: number[] = []
    if (length > 0) this.#clear(this.root, this.levels, 0, iova, Math.min(iova + length, this.end), unlinked)
    return unlinked
  }

  /** Where an address leads now; null where nothing is mapped. */
  lookup(iova: number): number | null {
    let table = this.root
    for (let level = this.levels; level > 0; level--) {
      const entry = table + 8 * (Math.floor(iova / spanOf(level)) % ENTRIES)
      const lo = this.#bus.read32(entry)
      if ((lo & RIGHTS) === 0) return null
      const address = ADDR.get(lo, this.#bus.read32(entry + 4))
      if (level === 1 || (lo & PS.loMask) !== 0) return address + (iova % spanOf(level))
      table = address
    }
    return null
  }

  #largestLevel(iova: number, physical: number, length: number): number {
    let level = 1
    while (level <= this.#superpageLevels) {
      const span = spanOf(level + 1)
      if (iova % span !== 0 || physical % span !== 0 || length < span) break
      level++
    }
    return level
  }

  /**
   * Address of the entry for `iova` at `level`, or below it where a table of smaller pages stands already: even empty,
   * it may be in the hardware's caches. Null where a larger page is in the way, or memory ran out. Leaves the level in
   * #entryLevel.
   */
  #entryFor(iova: number, level: number): number | null {
    let table = this.root
    for (let at = this.levels; ; at--) {
      const entry = table + 8 * (Math.floor(iova / spanOf(at)) % ENTRIES)
      this.#entryLevel = at
      const lo = at === 1 ? 0 : this.#bus.read32(entry)
      const present = (lo & RIGHTS) !== 0
      const leaf = at === 1 || (lo & PS.loMask) !== 0
      if (at <= level && (leaf || !present)) return entry
      if (!present) {
        const made = this.#pages.allocate(1)
        if (made === null) return null
        this.#tables.add(made)
        this.#bus.write32(entry + 4, highWord(made))
        this.#bus.write32(entry, (lowWord(made) | this.#tableBits) >>> 0)
        table = made
      } else if (leaf) return null
      else table = ADDR.get(lo, this.#bus.read32(entry + 4))
    }
  }

  #clear(table: number, level: number, base: number, from: number, to: number, unlinked: number[]): void {
    const span = spanOf(level)
    const first = Math.max(0, Math.floor((from - base) / span))
    const last = Math.min(ENTRIES, Math.ceil((to - base) / span))
    for (let index = first; index < last; index++) {
      const entry = table + 8 * index
      const lo = this.#bus.read32(entry)
      if ((lo & RIGHTS) === 0) continue
      const start = base + index * span
      if (level > 1 && (lo & PS.loMask) === 0) {
        const child = ADDR.get(lo, this.#bus.read32(entry + 4))
        if (this.#tables.has(child)) {
          this.#clear(child, level - 1, start, from, to, unlinked)
          if (from > start || to < start + span) continue
          this.#tables.delete(child)
          unlinked.push(child)
        }
      }
      this.#bus.write32(entry, 0)
      this.#bus.write32(entry + 4, 0)
    }
  }
}
