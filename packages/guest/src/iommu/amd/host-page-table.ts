import type { PageAllocator } from '@dmascope/dma'
import { NEXT_LEVEL, PAGE_DIRECTORY_ENTRY, PAGE_TABLE_ENTRY } from '@dmascope/iommu/amdvi/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'

const PAGE = 4096
const ENTRIES = 512
const FIRST_LEVELS = 3
const { NextLevel, PR, IR, IW, NextTableAddress } = PAGE_DIRECTORY_ENTRY.fields
const { FC, PageAddress } = PAGE_TABLE_ENTRY.fields

/** Bytes that one entry of a table of this level maps; level 1 holds pages of 4 KiB and up. */
const spanOf = (level: number): number => PAGE * ENTRIES ** (level - 1)

export interface HostPageTableOptions {
  readonly bus: CpuBus
  readonly pages: PageAllocator
  /** As many levels as the unit walks: 4 to 6. The table starts with three, and grows as addresses need it. */
  readonly mostLevels: number
  /** The table has a new root: whoever points at it must be told. */
  readonly onGrowth: () => void
}

/**
 * A host page table ("v1") in guest memory, as Linux builds it (AMD IOMMU 3.07 §2.2.3): pages of every power of two,
 * those between two levels' sizes as several entries that say how large they are.
 */
export class HostPageTable {
  readonly mostLevels: number
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #onGrowth: () => void
  /** Pages that are tables of this one. What an entry says is believed only of these: memory may be damaged. */
  readonly #tables = new Set<number>()
  #root: number
  #levels = FIRST_LEVELS

  private constructor(options: HostPageTableOptions, root: number) {
    this.#bus = options.bus
    this.#pages = options.pages
    this.mostLevels = options.mostLevels
    this.#onGrowth = options.onGrowth
    this.#root = root
    this.#tables.add(root)
  }

  /** An empty table; null where memory ran out. */
  static create(options: HostPageTableOptions): HostPageTable | null {
    const root = options.pages.allocate(1)
    return root === null ? null : new HostPageTable(options, root)
  }

  get root(): number {
    return this.#root
  }

  get levels(): number {
    return this.#levels
  }

  /**
   * Maps [iova, iova + length) onto [physical, physical + length) in the largest pages that fit. All are multiples of
   * 4096.
   *
   * @returns false, with nothing changed, where a page was mapped already, or table memory ran out
   */
  map(iova: number, physical: number, length: number, access: 1 | 2 | 3): boolean {
    if (length <= 0 || !this.#reach(iova + length)) return false
    for (let done = 0; done < length; ) {
      const mapped = this.#mapPage(
        iova + done,
        physical + done,
        this.#largestPage(iova + done, physical + done, length - done),
        access,
      )
      if (mapped === 0) {
        this.unmap(iova, done)
        return false
      }
      done += mapped
    }
    return true
  }

  /** Clears every page in the range; a larger page that begins in it goes whole. Tables stay, for the next time. */
  unmap(iova: number, length: number): void {
    for (let at = iova; at < iova + length; ) {
      const found = this.#find(at)
      if (found.entry !== null) {
        for (let index = 0; index < found.count; index++) this.#write(found.entry + 8 * index, 0, 0)
      }
      at = (Math.floor(at / found.size) + 1) * found.size
    }
  }

  /** Where an address leads now; null where nothing is mapped. */
  lookup(iova: number): number | null {
    const { entry, size, count, level } = this.#find(iova)
    if (entry === null) return null
    const lo = this.#bus.read32(entry)
    const address = PageAddress.get(lo, this.#bus.read32(entry + 4))
    // With several entries, the low bits of the address tell the size.
    const page = count === 1 && size === spanOf(level) ? address : Math.floor(address / size) * size
    return page + (iova % size)
  }

  /** Makes the table deep enough for addresses below `end`. */
  #reach(end: number): boolean {
    let grown = false
    while (end > spanOf(this.#levels + 1)) {
      const root = this.#levels >= this.mostLevels ? null : this.#pages.allocate(1)
      if (root === null) return false
      this.#tables.add(root)
      this.#writeDirectory(root, this.#root, this.#levels)
      this.#root = root
      this.#levels++
      grown = true
    }
    if (grown) this.#onGrowth()
    return true
  }

  #largestPage(iova: number, physical: number, length: number): number {
    let size = PAGE
    while (size * 2 <= length && iova % (size * 2) === 0 && physical % (size * 2) === 0) size *= 2
    return Math.min(size, spanOf(this.#levels) * (ENTRIES / 2))
  }

  /**
   * Maps one page, or a smaller one where a table stands in the way: even empty, it may be in the hardware's caches.
   * Answers its size; 0 where that cannot be.
   */
  #mapPage(iova: number, physical: number, wanted: number, access: number): number {
    let size = wanted
    let level = 1
    while (size >= spanOf(level + 1)) level++
    for (; ; level--) {
      const entry = this.#entryFor(iova, level)
      if (entry === null) return 0
      const found = this.#standingIn(entry, size / spanOf(level), level)
      if (found === 'page') return 0
      if (found === 'nothing') {
        this.#writePage(entry, size / spanOf(level), size, physical, access)
        return size
      }
      size = spanOf(level) / 2
    }
  }

  #standingIn(entry: number, count: number, level: number): 'nothing' | 'page' | 'table' {
    let found: 'nothing' | 'table' = 'nothing'
    for (let index = 0; index < count; index++) {
      const lo = this.#bus.read32(entry + 8 * index)
      if ((lo & PR.loMask) === 0) continue
      if (level === 1 || NextLevel.get(lo) !== level - 1) return 'page'
      found = 'table'
    }
    return found
  }

  #writePage(entry: number, count: number, size: number, physical: number, access: number): void {
    // The lowest clear bit of the address tells the size: it is half of the size, and all bits below it are set.
    const address = count === 1 ? physical : physical + size / 2 - PAGE
    const hi = FC.setHi(this.#rights(access), 1) | PageAddress.setHi(0, address)
    const next = count === 1 ? NEXT_LEVEL.page : NEXT_LEVEL.sizedPage
    const lo = PR.setLo(NextLevel.setLo(PageAddress.setLo(0, address), next), 1)
    for (let index = 0; index < count; index++) this.#write(entry + 8 * index, hi, lo)
  }

  #rights(access: number): number {
    return IW.setHi(IR.setHi(0, access & 1), (access >>> 1) & 1)
  }

  /** Address of the entry for `iova` in the table of this level. Null where a page is in the way, or memory ran out. */
  #entryFor(iova: number, level: number): number | null {
    let table = this.#root
    for (let at = this.#levels; at > level; at--) {
      const entry = table + 8 * (Math.floor(iova / spanOf(at)) % ENTRIES)
      const lo = this.#bus.read32(entry)
      if ((lo & PR.loMask) === 0) {
        const made = this.#pages.allocate(1)
        if (made === null) return null
        this.#tables.add(made)
        this.#writeDirectory(entry, made, at - 1)
        table = made
        continue
      }
      table = NextTableAddress.get(lo, this.#bus.read32(entry + 4))
      if (NextLevel.get(lo) !== at - 1 || !this.#tables.has(table)) return null
    }
    return table + 8 * (Math.floor(iova / spanOf(level)) % ENTRIES)
  }

  /** The page that holds an address: its first entry, how many there are, and bytes; without a page, what is empty. */
  #find(iova: number): { entry: number | null; count: number; size: number; level: number } {
    let table = this.#root
    if (iova >= spanOf(this.#levels + 1))
      return { entry: null, count: 0, size: spanOf(this.#levels), level: this.#levels }
    for (let level = this.#levels; ; level--) {
      const span = spanOf(level)
      const entry = table + 8 * (Math.floor(iova / span) % ENTRIES)
      const lo = this.#bus.read32(entry)
      if ((lo & PR.loMask) === 0) return { entry: null, count: 0, size: span, level }
      const hi = this.#bus.read32(entry + 4)
      const next = NextLevel.get(lo)
      if (next === NEXT_LEVEL.page) return { entry, count: 1, size: span, level }
      if (next === NEXT_LEVEL.sizedPage) {
        let count = 2
        for (let frame = Math.floor(PageAddress.get(lo, hi) / span); frame % 2 === 1; frame = (frame - 1) / 2)
          count *= 2
        const inTable = Math.floor(iova / span) % ENTRIES
        return { entry: entry - 8 * (inTable % count), count: Math.min(count, ENTRIES), size: span * count, level }
      }
      table = NextTableAddress.get(lo, hi)
      if (next !== level - 1 || !this.#tables.has(table)) return { entry: null, count: 0, size: span, level }
    }
  }

  #writeDirectory(entry: number, table: number, level: number): void {
    const hi = this.#rights(3) | highWord(table)
    this.#write(entry, hi, PR.setLo(NextLevel.setLo(lowWord(table), level), 1))
  }

  /** The half with PR last. */
  #write(entry: number, hi: number, lo: number): void {
    this.#bus.write32(entry + 4, hi >>> 0)
    this.#bus.write32(entry, lo >>> 0)
  }
}
