import type { DmaPort } from '@dmascope/memory'
import { ACCESS_READ } from '@dmascope/memory'
import { PVIRTQ_DESC, PVIRTQ_DESC_F } from '../spec/packed-ring.ts'
import { ChainBuffers } from './chain-buffers.ts'
import { IndirectWindows } from './indirect-windows.ts'
import { RingPart } from './ring-part.ts'

// Descriptors are read as four words: addr in two, len, and id below flags.
const WORD_LO = PVIRTQ_DESC.fields.addr.lo.offset >>> 2
const WORD_HI = PVIRTQ_DESC.fields.addr.hi.offset >>> 2
const WORD_LEN = PVIRTQ_DESC.fields.len.offset >>> 2
const WORD_ID_FLAGS = PVIRTQ_DESC.fields.id.offset >>> 2
const FLAGS_SHIFT = 16
const DESC_BYTES = PVIRTQ_DESC.size
const DESC_WORDS = DESC_BYTES >>> 2
const DESC_SHIFT = Math.log2(DESC_BYTES)
const NEXT = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_NEXT.loMask << FLAGS_SHIFT
const WRITE = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_WRITE.loMask << FLAGS_SHIFT
const INDIRECT = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_INDIRECT.loMask << FLAGS_SHIFT

const PAGE_MASK = 0xfff
const FIRST_FETCHED = 16
/** The longest chain through an indirect table, where the queue's size is less: QEMU's limit too. */
const LONGEST_CHAIN = 1024

export const PACKED_DONE = 0
/** Memory cannot be asked just now. */
const PACKED_DEFERRED = 1
/** `refusal` says why. */
export const PACKED_REFUSED = 2
/** There is no room for another buffer: for now, or at all. */
const FULL = 3
const EMPTY = 4
const OVERFLOW = 5
const ORDER = 6
const REFERS = 7

const REASONS: Readonly<Record<number, string>> = {
  [FULL]: 'is longer than it may be',
  [EMPTY]: 'has a buffer of no bytes',
  [OVERFLOW]: 'has a buffer that ends above 2^64',
  [ORDER]: 'has a device-readable buffer after a device-writable one',
  [REFERS]: 'refers to an indirect table where none may be',
}

/**
 * The buffers of one chain of a packed queue, and the walk that collects them and believes nothing. Chains lie one
 * descriptor after the other (virtio 1.3 §2.8.6), and so can loop no more than once around.
 */
export class PackedChain extends ChainBuffers {
  refusal = ''
  /** What the driver calls the chain: in its last descriptor, or in the one that refers to a table. */
  id = 0
  /** Entries of the ring that the chain takes. */
  entries = 0
  /** Descriptors read from the ring since the ledger was told; the queue sets it back. */
  ringReads = 0
  /** The descriptor ring. */
  readonly ring: RingPart

  readonly #size: number
  readonly #longest: number
  readonly #indirectAllowed: boolean
  readonly #windows: IndirectWindows
  /** For indirect tables that there is no window to. */
  readonly #table: RingPart
  /** Descriptors that were fetched through the port, in the chain's order. */
  #fetched = new Uint32Array(FIRST_FETCHED * DESC_WORDS)

  constructor(port: DmaPort, ring: RingPart, size: number, indirectAllowed: boolean) {
    super()
    this.ring = ring
    this.#size = size
    this.#longest = Math.max(size, LONGEST_CHAIN)
    this.#indirectAllowed = indirectAllowed
    this.#windows = new IndirectWindows(port)
    this.#table = new RingPart(port, 0, 0, 0, ACCESS_READ, 4)
  }

  /** Takes the chain that begins at entry `first`. @returns PACKED_DONE, PACKED_DEFERRED or PACKED_REFUSED */
  take(first: number): number {
    const { words } = this.ring
    if (words === null) return this.#takeFetched(first)
    // Most indirect chains are one descriptor, and a table.
    if ((words[first * DESC_WORDS + WORD_ID_FLAGS]! & INDIRECT) !== 0) {
      return this.#walkTable(first, words, first * DESC_WORDS)
    }
    return this.#finish(first, words, first, this.#collect(words, 0, this.#size, first, false))
  }

  /** `take` where the ring has no view. */
  #takeFetched(first: number): number {
    if (!this.#fetchChain(first)) return PACKED_DEFERRED
    const words = this.#fetched
    if ((words[WORD_ID_FLAGS]! & INDIRECT) !== 0) return this.#walkTable(first, words.slice(0, DESC_WORDS), 0)
    return this.#finish(first, words, 0, this.#collect(words, 0, this.#size, 0, false))
  }

  /** Makes room for a long chain, and counts what was read. */
  #finish(first: number, words: Uint32Array, from: number, ended: number): number {
    let outcome = ended
    while (outcome === FULL && this.grow(this.#size)) outcome = this.#collect(words, 0, this.#size, from, false)
    if (outcome !== PACKED_DONE) return this.#refuse(first, outcome)
    this.entries = this.count
    this.ringReads += this.count
    return PACKED_DONE
  }

  /**
   * Collects buffers from descriptor `first` on of the `entries` that start at word `base`. In the ring, a chain goes on
   * while NEXT says so, and around the end; an indirect table is taken whole, and of its flags WRITE alone counts
   * (virtio 1.3 §2.8.7).
   */
  #collect(words: Uint32Array, base: number, entries: number, first: number, whole: boolean): number {
    const { buffers, capacity } = this
    const bound = Math.min(entries, capacity)
    let index = first
    let count = 0
    let readableCount = 0
    let readableBytes = 0
    let writableBytes = 0
    let idFlags = 0
    for (;;) {
      const at = base + index * DESC_WORDS
      const addressLo = words[at + WORD_LO]!
      const addressHi = words[at + WORD_HI]!
      const bytes = words[at + WORD_LEN]!
      idFlags = words[at + WORD_ID_FLAGS]!
      if ((idFlags & INDIRECT) !== 0) return REFERS
      // DEVIATION: virtio does not forbid a buffer of no bytes; QEMU refuses it.
      if (bytes === 0) return EMPTY
      if (addressHi === 0xffff_ffff && addressLo + bytes > 0x1_0000_0000) return OVERFLOW
      if (count === bound) return FULL
      if ((idFlags & WRITE) !== 0) writableBytes += bytes
      else if (readableCount === count) {
        readableCount = count + 1
        readableBytes += bytes
      } else return ORDER
      buffers[count] = addressLo
      buffers[count + capacity] = addressHi
      buffers[count + 2 * capacity] = bytes
      count++
      if (whole ? count === entries : (idFlags & NEXT) === 0) break
      if (++index === entries) index = 0
    }
    this.id = idFlags & 0xffff
    this.count = count
    this.readableCount = readableCount
    this.readableBytes = readableBytes
    this.writableBytes = writableBytes
    return PACKED_DONE
  }

  /** @param at - where the descriptor lies that refers to the table, in words */
  #walkTable(first: number, words: Uint32Array, at: number): number {
    const lo = words[at + WORD_LO]!
    const hi = words[at + WORD_HI]!
    const bytes = words[at + WORD_LEN]!
    const idFlags = words[at + WORD_ID_FLAGS]!
    const hasNext = (idFlags & NEXT) !== 0
    if (!this.#indirectAllowed || hasNext || bytes === 0 || (bytes & (DESC_BYTES - 1)) !== 0) {
      return this.#refuseTable(first, bytes, hasNext)
    }
    const entries = bytes >>> DESC_SHIFT
    if (entries > this.#longest) return this.#refuse(first, FULL)
    const inPage = lo & PAGE_MASK
    const window = inPage + bytes <= PAGE_MASK + 1 && (lo & 3) === 0 ? this.#windows.find(hi, lo) : null
    let table = window === null ? null : window.words
    const base = table === null ? 0 : inPage >>> 2
    if (table === null) {
      this.#table.moveTo(hi, lo)
      if (!this.#fetchTable(entries)) return PACKED_DEFERRED
      table = this.#fetched
    }
    let outcome = this.#collect(table, base, entries, 0, true)
    while (outcome === FULL && this.grow(entries)) outcome = this.#collect(table, base, entries, 0, true)
    if (outcome !== PACKED_DONE) return this.#refuse(first, outcome)
    if (window !== null) window.descriptors += entries
    this.id = idFlags & 0xffff
    this.entries = 1
    this.ringReads++
    return PACKED_DONE
  }

  /** False: not now. One descriptor more than there can be is not fetched: the walk finds that the last one goes on. */
  #fetchChain(first: number): boolean {
    let index = first
    for (let count = 0; count < this.#size; count++) {
      const idFlags = this.#fetch(this.ring, index, count)
      if (idFlags === null) return false
      if ((idFlags & NEXT) === 0 || (idFlags & INDIRECT) !== 0) return true
      if (++index === this.#size) index = 0
    }
    return true
  }

  #fetchTable(entries: number): boolean {
    for (let index = 0; index < entries; index++) if (this.#fetch(this.#table, index, index) === null) return false
    return true
  }

  /** Answers the descriptor's last word; null where memory cannot be asked. */
  #fetch(part: RingPart, index: number, into: number): number | null {
    const words = part.fetch128(index * DESC_BYTES)
    if (part.deferred) return null
    const at = into * DESC_WORDS
    if (at === this.#fetched.length) {
      const longer = new Uint32Array(2 * at)
      longer.set(this.#fetched)
      this.#fetched = longer
    }
    this.#fetched.set(words, at)
    return words[WORD_ID_FLAGS]!
  }

  #refuse(first: number, outcome: number): number {
    this.refusal = `the chain at entry ${first} ${REASONS[outcome]}`
    return PACKED_REFUSED
  }

  #refuseTable(first: number, bytes: number, hasNext: boolean): number {
    const reason = !this.#indirectAllowed
      ? 'has an indirect table, which was not negotiated'
      : hasNext
        ? 'goes on after its indirect table'
        : `has an indirect table of ${bytes} bytes, which is no multiple of 16 above 0`
    this.refusal = `the chain at entry ${first} ${reason}`
    return PACKED_REFUSED
  }

  /** Makes the views good for a batch of work. */
  refresh(): void {
    this.ring.refresh()
    this.#windows.nextBatch()
  }

  /** Tells the ledger which descriptors of indirect tables were read through views. */
  accountTables(): void {
    this.#windows.account()
  }
}
