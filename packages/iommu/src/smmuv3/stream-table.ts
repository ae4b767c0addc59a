import type { GuestRam } from '@dmascope/memory'
import type { SmmuV3Features } from './options.ts'
import { STRTAB_BASE_CFG, STRTAB_FORMAT } from './spec/registers.ts'
import { STREAM_TABLE_DESCRIPTOR, STREAM_TABLE_DESCRIPTOR_BITS, STREAM_TABLE_ENTRY } from './spec/tables.ts'

const { FMT, SPLIT, LOG2SIZE } = STRTAB_BASE_CFG.fields
const { Span, L2Ptr } = STREAM_TABLE_DESCRIPTOR_BITS.fields
const SPLITS: readonly number[] = [6, 8, 10]

/** Where a StreamID's entry stands, in a linear table or one of two levels. */
export class StreamTable {
  /** The address that was answered last is that of a level 1 descriptor outside of memory. */
  fetchFailed = false
  readonly #ram: GuestRam
  readonly #features: SmmuV3Features
  #base = 0
  #log2Size = 0
  #split = 0

  constructor(ram: GuestRam, features: SmmuV3Features) {
    this.#ram = ram
    this.#features = features
  }

  /**
   * STRTAB_BASE and STRTAB_BASE_CFG. What is cached stays.
   *
   * @param base - STRTAB_BASE.ADDR; the bits below the table's size do not count
   */
  configure(base: number, configuration: number): void {
    this.#log2Size = Math.min(LOG2SIZE.get(configuration), this.#features.streamIdBits)
    const twoLevel = this.#features.twoLevelStreamTable && FMT.get(configuration) === STRTAB_FORMAT.twoLevel
    const split = SPLIT.get(configuration)
    // Reserved values behave as 6.
    this.#split = twoLevel ? (SPLITS.includes(split) ? split : 6) : 0
    const size = twoLevel
      ? Math.max(64, 2 ** (this.#log2Size - this.#split) * STREAM_TABLE_DESCRIPTOR.size)
      : 2 ** this.#log2Size * STREAM_TABLE_ENTRY.size
    this.#base = base - (base % size)
  }

  /** Address of the entry, or -1 for a StreamID that the table does not cover. */
  addressOf(stream: number): number {
    this.fetchFailed = false
    if (stream >= 2 ** this.#log2Size) return -1
    if (this.#split === 0) return this.#base + stream * STREAM_TABLE_ENTRY.size
    const descriptor = this.#base + (stream >>> this.#split) * STREAM_TABLE_DESCRIPTOR.size
    const at = this.#ram.offsetToRead(descriptor)
    if (at < 0) {
      this.fetchFailed = true
      return descriptor
    }
    const { word } = STREAM_TABLE_DESCRIPTOR.fields
    const lo = word.lo.get(this.#ram.view, at)
    const hi = word.hi.get(this.#ram.view, at)
    const span = Span.get(lo)
    const index = stream & (2 ** this.#split - 1)
    // A span beyond the split is reserved, and leads nowhere.
    if (span === 0 || span > this.#split + 1 || index >= 2 ** (span - 1)) return -1
    const table = L2Ptr.get(lo, hi)
    const size = 2 ** (span - 1) * STREAM_TABLE_ENTRY.size
    return table - (table % size) + index * STREAM_TABLE_ENTRY.size
  }
}
