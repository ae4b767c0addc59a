import type { RegionType } from './bar.ts'
import type { FoundFunction } from './functions.ts'

/** What is to be placed: a BAR, or the window of a bridge. */
export interface RegionEntry {
  readonly owner: FoundFunction
  /** BAR number; null for a bridge's window. */
  readonly bar: number | null
  readonly type: RegionType
  /** Bytes; 0 for a window that is closed. */
  readonly size: number
  readonly align: number
  readonly is64: boolean
}

/**
 * What lies on one bus in one kind of address space, the most strictly aligned first and of these the largest: put one
 * behind the other, all are aligned.
 */
export class Region {
  entries: RegionEntry[] = []

  add(entry: RegionEntry): void {
    const place = this.entries.findIndex(
      (one) => one.align < entry.align || (one.align === entry.align && one.size < entry.size),
    )
    this.entries.splice(place < 0 ? this.entries.length : place, 0, entry)
  }

  get align(): number {
    return this.entries[0]?.align ?? 1
  }

  get size(): number {
    return this.entries.reduce((sum, entry) => sum + entry.size, 0)
  }

  /** Takes out what may lie above 4 GiB. USB controllers stay: SeaBIOS drives them itself, with 32-bit addresses. */
  takeHigh(): Region {
    const high = new Region()
    const isHigh = (entry: RegionEntry): boolean => entry.is64 && entry.owner.classCode !== CLASS_SERIAL_USB
    high.entries = this.entries.filter(isHigh)
    this.entries = this.entries.filter((entry) => !isHigh(entry))
    return high
  }
}

const CLASS_SERIAL_USB = 0x0c03

export const alignUp = (value: number, align: number): number => Math.ceil(value / align) * align
export const alignDown = (value: number, align: number): number => Math.floor(value / align) * align
