import type { DmaPort } from '@dmascope/memory'
import { ACCESS_READ } from '@dmascope/memory'
import { VIRTQ_DESC, VIRTQ_DESC_F } from '../spec/split-ring.ts'
import { ChainBuffers } from './chain-buffers.ts'
import { IndirectWindows } from './indirect-windows.ts'
import { RingPart } from './ring-part.ts'

// Descriptors are read as four words: addr in two, len, and flags below next.
const WORD_LO = VIRTQ_DESC.fields.addr.lo.offset >>> 2
const WORD_HI = VIRTQ_DESC.fields.addr.hi.offset >>> 2
const WORD_LEN = VIRTQ_DESC.fields.len.offset >>> 2
const WORD_FLAGS_NEXT = VIRTQ_DESC.fields.flags.offset >>> 2
const NEXT_SHIFT = 16
const DESC_BYTES = VIRTQ_DESC.size
const DESC_WORDS = DESC_BYTES >>> 2
const DESC_SHIFT = Math.log2(DESC_BYTES)
const NEXT = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_NEXT.loMask
const WRITE = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_WRITE.loMask
const INDIRECT = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_INDIRECT.loMask

const PAGE_MASK = 0xfff
const FIRST_FETCHED = 16
/** The longest chain through an indirect table, where the queue's size is less: QEMU's limit too. */
const LONGEST_CHAIN = 1024

/** How `collect` ended. */
export const CHAIN_DONE = 0
/** It refers to an indirect table. */
const REFERS = 1
/** There is no room for another buffer: for now, or at all. */
const FULL = 2
const EMPTY = 3
const OVERFLOW = 4
const ORDER = 5
const LINK = 6
/** Memory cannot be asked just now. */
const CHAIN_DEFERRED = 7
/** `refusal` says why. */
export const CHAIN_REFUSED = 8

/** The buffers of one chain of a split queue's descriptors, and the walk that collects them and believes nothing. */
export class DescriptorChain extends ChainBuffers {
  refusal = ''
  /** Descriptors read from the queue's own table since the ledger was told; `account` sets it back. */
  tableReads = 0
  /** The descriptor table. */
  readonly part: RingPart

  readonly #size: number
  readonly #longest: number
  readonly #indirectAllowed: boolean
  readonly #windows: IndirectWindows
  /** For indirect tables that there is no window to. */
  readonly #table: RingPart
  /** Descriptors that were fetched through the port, packed. */
  #fetched = new Uint32Array(FIRST_FETCHED * DESC_WORDS)
  /** Where the descriptor lies that refers to an indirect table, in words. */
  #refersAt = 0

  constructor(port: DmaPort, part: RingPart, size: number, indirectAllowed: boolean) {
    super()
    this.part = part
    this.#size = size
    this.#longest = Math.max(size, LONGEST_CHAIN)
    this.#indirectAllowed = indirectAllowed
    this.#windows = new IndirectWindows(port)
    this.#table = new RingPart(port, 0, 0, 0, ACCESS_READ, 4)
  }

  /**
   * Collects the buffers of a chain from a table of `entries` that starts at word `base`, after the `before` that came
   * from another. For `CHAIN_DONE` that is all; what else it answers, `goOn` takes.
   */
  collect(words: Uint32Array, base: number, entries: number, first: number, before: number): number {
    const buffers = this.buffers
    const capacity = this.capacity
    const bound = Math.min(before + entries, capacity)
    let index = first
    let count = before
    let readableCount = 0
    let readableBytes = 0
    let writableBytes = 0
    if (before !== 0) {
      readableCount = this.readableCount
      readableBytes = this.readableBytes
      writableBytes = this.writableBytes
    }

    for (;;) {
      const at = base + index * DESC_WORDS
      const addressLo = words[at + WORD_LO]!
      const addressHi = words[at + WORD_HI]!
      const bytes = words[at + WORD_LEN]!
      const flagsNext = words[at + WORD_FLAGS_NEXT]!

      if ((flagsNext & INDIRECT) !== 0) {
        this.#refersAt = at
        this.count = count
        this.readableCount = readableCount
        this.readableBytes = readableBytes
        this.writableBytes = writableBytes
        return REFERS
      }
      // DEVIATION: virtio does not forbid a buffer of no bytes; QEMU refuses it.
      if (bytes === 0) return EMPTY
      if (addressHi === 0xffff_ffff && addressLo + bytes > 0x1_0000_0000) return OVERFLOW
      if (count === bound) return FULL
      if ((flagsNext & WRITE) !== 0) writableBytes += bytes
      else if (readableCount === count) {
        readableCount = count + 1
        readableBytes += bytes
      } else return ORDER
      buffers[count] = addressLo
      buffers[count + capacity] = addressHi
      buffers[count + 2 * capacity] = bytes
      count++
      if ((flagsNext & NEXT) === 0) break
      index = flagsNext >>> NEXT_SHIFT
      if (index >= entries) return LINK
    }
    this.count = count
    this.readableCount = readableCount
    this.readableBytes = readableBytes
    this.writableBytes = writableBytes
    return CHAIN_DONE
  }

  /** The chain at `head` where the descriptor table has no view. */
  collectFetched(head: number): number {
    if (!this.#fetch(this.part, this.#size, head)) return CHAIN_DEFERRED
    const outcome = this.collect(this.#fetched, 0, this.#size, 0, 0)
    return outcome === CHAIN_DONE ? CHAIN_DONE : this.goOn(outcome, head, this.#fetched, 0)
  }

  /**
   * After `collect` stopped short of the end: makes room and starts again, or goes on in an indirect table.
   *
   * @param words - the table that has the chain, from descriptor `first` on
   * @returns CHAIN_DONE, CHAIN_DEFERRED or CHAIN_REFUSED
   */
  goOn(stopped: number, head: number, words: Uint32Array, first: number): number {
    let outcome = stopped
    while (outcome === FULL && this.#growTo(this.#size)) outcome = this.collect(words, 0, this.#size, first, 0)
    if (outcome === REFERS) return this.walkIndirect(head, words, this.#refersAt, this.count)
    return outcome === CHAIN_DONE ? CHAIN_DONE : this.#refuse(head, outcome)
  }

  /** Whether the descriptor at word `at` refers to an indirect table. */
  refers(words: Uint32Array, at: number): boolean {
    return (words[at + WORD_FLAGS_NEXT]! & INDIRECT) !== 0
  }

  /**
   * Goes on in an indirect table. A device handles descriptors, `before` of them, and then one that refers to such a
   * table, which ends the chain (virtio 1.3 §2.7.5.3.2).
   *
   * @param at - where the one lies that refers to it, in words
   * @returns CHAIN_DONE, CHAIN_DEFERRED or CHAIN_REFUSED
   */
  walkIndirect(head: number, words: Uint32Array, at: number, before: number): number {
    const lo = words[at + WORD_LO]!
    const hi = words[at + WORD_HI]!
    const bytes = words[at + WORD_LEN]!
    const hasNext = (words[at + WORD_FLAGS_NEXT]! & NEXT) !== 0
    if (!this.#indirectAllowed || hasNext || bytes === 0 || (bytes & (DESC_BYTES - 1)) !== 0) {
      return this.#refuseTable(head, bytes, hasNext)
    }
    const entries = bytes >>> DESC_SHIFT
    const inPage = lo & PAGE_MASK
    const window = inPage + bytes <= PAGE_MASK + 1 && (lo & 3) === 0 ? this.#windows.find(hi, lo) : null
    let table = window === null ? null : window.words
    const base = table === null ? 0 : inPage >>> 2
    if (table === null) {
      this.#table.moveTo(hi, lo)
      if (!this.#fetch(this.#table, entries, 0)) return CHAIN_DEFERRED
      table = this.#fetched
    }
    let outcome = this.collect(table, base, entries, 0, before)
    while (outcome === FULL && this.#growTo(before + entries)) outcome = this.collect(table, base, entries, 0, before)
    if (outcome !== CHAIN_DONE) return this.#refuse(head, outcome)
    const inTable = this.count - before
    if (window !== null) window.descriptors += inTable
    // The queue counts all of the chain as read from its own table.
    this.tableReads -= inTable - 1
    return CHAIN_DONE
  }

  /**
   * Fetches a table's chain into `#fetched`, a descriptor at a time. They are packed there one after the other, so links
   * are written anew, but for one that leads out of the table. False: not now.
   */
  #fetch(part: RingPart, entries: number, first: number): boolean {
    const most = Math.min(entries, this.#longest)
    let index = first
    for (let count = 0; ; count++) {
      const words = part.fetch128(index * DESC_BYTES)
      if (part.deferred) return false
      const at = count * DESC_WORDS
      if (at === this.#fetched.length) {
        const longer = new Uint32Array(2 * at)
        longer.set(this.#fetched)
        this.#fetched = longer
      }
      this.#fetched.set(words, at)
      const flagsNext = words[WORD_FLAGS_NEXT]!
      index = flagsNext >>> NEXT_SHIFT
      // One more than there can be is fetched: the walk then finds that there are too many.
      if ((flagsNext & (NEXT | INDIRECT)) !== NEXT || index >= entries || count === most) return true
      this.#fetched[at + WORD_FLAGS_NEXT] = (flagsNext & 0xffff) | (Math.min(count + 1, entries - 1) << NEXT_SHIFT)
    }
  }

  /** False where no chain may be longer, so that this one is a loop. */
  #growTo(most: number): boolean {
    return this.grow(Math.min(most, this.#longest))
  }

  #refuse(head: number, outcome: number): number {
    const reasons: Record<number, string> = {
      [REFERS]: 'has an indirect table that refers to another',
      [FULL]: 'is a loop, or longer than its table',
      [EMPTY]: 'has a buffer of no bytes',
      [OVERFLOW]: 'has a buffer that ends above 2^64',
      [ORDER]: 'has a device-readable buffer after a device-writable one',
      [LINK]: 'has a link that leads out of its table',
    }
    this.refusal = `the chain at head ${head} ${reasons[outcome]}`
    return CHAIN_REFUSED
  }

  #refuseTable(head: number, bytes: number, hasNext: boolean): number {
    const reason = !this.#indirectAllowed
      ? 'has an indirect table, which was not negotiated'
      : hasNext
        ? 'goes on after its indirect table'
        : `has an indirect table of ${bytes} bytes, which is no multiple of 16 above 0`
    this.refusal = `the chain at head ${head} ${reason}`
    return CHAIN_REFUSED
  }

  /** Makes the views good for a batch of work. */
  refresh(): void {
    this.part.refresh()
    this.#windows.nextBatch()
  }

  /** Tells the ledger which descriptors were read through views. */
  account(): void {
    this.part.account(this.tableReads, 0, this.tableReads * DESC_BYTES)
    this.tableReads = 0
    this.#windows.account()
  }
}
