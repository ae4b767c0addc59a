import { TceTable } from './tce-table.ts'

const NO_ENTRIES = new TceTable(0)

/**
 * One LIOBN: a table, and where on the bus its entries stand. Closed, it has no entries and translates nothing.
 *
 * Its fields are read for each translation; only `open` and `close` change them.
 */
export class DmaWindow {
  readonly liobn: number
  /** Bus address of the first page. */
  baseHi = 0
  baseLo = 0
  /** log2 of the page size. */
  pageShift = 0
  table = NO_ENTRIES
  /** It was opened as the default window. */
  isDefault = false

  constructor(liobn: number) {
    this.liobn = liobn
  }

  get isOpen(): boolean {
    return this.table.entries !== 0
  }

  open(baseHi: number, baseLo: number, pageShift: number, entries: number, isDefault: boolean): void {
    this.baseHi = baseHi
    this.baseLo = baseLo
    this.pageShift = pageShift
    this.table = new TceTable(entries)
    this.isDefault = isDefault
  }

  close(): void {
    this.baseHi = 0
    this.baseLo = 0
    this.pageShift = 0
    this.table = NO_ENTRIES
    this.isDefault = false
  }

  /** Number of the page that holds a bus address, of either sign in both halves; -1 outside of the window. */
  pageOf(hi: number, lo: number): number {
    const shift = this.pageShift
    const low = (lo >>> 0) - this.baseLo
    const high = ((hi - this.baseHi) | 0) - (low < 0 ? 1 : 0)
    let index: number
    if (shift < 32) {
      if (high >>> shift !== 0) return -1
      index = ((high << (32 - shift)) | (low >>> shift)) >>> 0
    } else index = high >>> (shift - 32)
    return index < this.table.entries ? index : -1
  }
}
