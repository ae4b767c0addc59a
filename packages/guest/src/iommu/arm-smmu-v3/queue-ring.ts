import type { PageAllocator } from '@dmascope/dma'
import { allocateAligned } from '../../early/aligned-pages.ts'

/**
 * A queue in memory. An index has the entry's number in its low bits and one bit above them that changes each time
 * around; what else a register holds is no part of it.
 */
export class QueueRing {
  readonly base: number
  readonly log2Entries: number
  readonly #entrySize: number
  readonly #indexMask: number

  private constructor(base: number, log2Entries: number, entrySize: number) {
    this.base = base
    this.log2Entries = log2Entries
    this.#entrySize = entrySize
    this.#indexMask = 2 ** (log2Entries + 1) - 1
  }

  /** Null without memory. */
  static allocate(pages: PageAllocator, log2Entries: number, entrySize: number): QueueRing | null {
    const base = allocateAligned(pages, Math.max(1, (2 ** log2Entries * entrySize) / 4096))
    return base === null ? null : new QueueRing(base, log2Entries, entrySize)
  }

  get entries(): number {
    return 2 ** this.log2Entries
  }

  /** Where the entry is that an index names. */
  addressOf(index: number): number {
    return this.base + (index & (this.entries - 1)) * this.#entrySize
  }

  after(index: number): number {
    return (index + 1) & this.#indexMask
  }

  /** Whether two registers hold the same index. */
  isSame(one: number, other: number): boolean {
    return ((one ^ other) & this.#indexMask) === 0
  }
}
