import type { DmaPort, DmaResult } from '@dmascope/memory'
import { ACCESS_READ, ACCESS_READ_WRITE, DMA_DISABLED, DMA_OK } from '@dmascope/memory'
import { needEvent } from '../need-event.ts'
import {
  VIRTQ_AVAIL,
  VIRTQ_AVAIL_F,
  VIRTQ_DESC,
  VIRTQ_DESC_F,
  VIRTQ_USED,
  VIRTQ_USED_ELEM,
  VIRTQ_USED_F,
} from '../spec/split-ring.ts'
import { availableRingBytes, checkQueueSize, descriptorTableBytes, usedRingBytes } from '../split-ring-layout.ts'
import { IndirectWindows } from './indirect-windows.ts'
import type { QueueAddresses, RingFeatures } from './queue.ts'
import { RingPart } from './ring-part.ts'

// Descriptors are read as four words: addr in two, len, and flags below next.
const WORD_LO = VIRTQ_DESC.fields.addr.lo.offset >>> 2
const WORD_HI = VIRTQ_DESC.fields.addr.hi.offset >>> 2
const WORD_LEN = VIRTQ_DESC.fields.len.offset >>> 2
const WORD_FLAGS_NEXT = VIRTQ_DESC.fields.flags.offset >>> 2
const NEXT_SHIFT = 16
const DESC_WORDS = VIRTQ_DESC.size >>> 2
const NEXT = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_NEXT.loMask
const WRITE = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_WRITE.loMask
const INDIRECT = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_INDIRECT.loMask
const NO_INTERRUPT = VIRTQ_AVAIL_F.fields.VIRTQ_AVAIL_F_NO_INTERRUPT.loMask
const NO_NOTIFY = VIRTQ_USED_F.fields.VIRTQ_USED_F_NO_NOTIFY.loMask
const AVAIL_FLAGS = VIRTQ_AVAIL.fields.flags.offset
const AVAIL_IDX = VIRTQ_AVAIL.fields.idx.offset
const AVAIL_RING = VIRTQ_AVAIL.size
const USED_FLAGS = VIRTQ_USED.fields.flags.offset
const USED_IDX = VIRTQ_USED.fields.idx.offset
const USED_RING = VIRTQ_USED.size
const AVAIL_RING_HALVES = AVAIL_RING >>> 1
const USED_IDX_HALF = USED_IDX >>> 1
const USED_RING_WORDS = USED_RING >>> 2
const ELEM_WORDS = VIRTQ_USED_ELEM.size >>> 2
const DESC_BYTES = VIRTQ_DESC.size
const ELEM_BYTES = VIRTQ_USED_ELEM.size
const ELEM_ID = VIRTQ_USED_ELEM.fields.id.offset >>> 2
const ELEM_LEN = VIRTQ_USED_ELEM.fields.len.offset >>> 2

const PAGE_MASK = 0xfff
const FIRST_CAPACITY = 16
// How the walk along a table ended.
const DONE = 0
const REFERS = 1
const EMPTY = 2
const OVERFLOW = 3
const FULL = 4
const ORDER = 5
const LINK = 6

function larger(old: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const made = new Uint32Array(old.length * 2)
  made.set(old)
  return made
}

/** The longest chain through an indirect table, whatever the queue's size: QEMU's limit too. */
const LONGEST_CHAIN = 1024

/**
 * The device's half of a split virtqueue.
 *
 * Nothing that the driver wrote is believed. What cannot be gone on from (a head or link out of range, a loop, a
 * zero-length buffer, ...) makes the queue `broken`; from then on it touches no memory. A ring that cannot be read, because
 * the IOMMU refuses it, say, reads as zeros, and so is mostly an empty one.
 *
 * A device's work is: `disableNotifications`, `next` until it answers false, for each chain `read`, `write`, `complete`,
 * then `shouldInterrupt` once; `enableNotifications`, and all over again where that answered true.
 */
export class DeviceQueue {
  readonly size: number
  readonly #port: DmaPort
  readonly #mask: number
  readonly #longest: number
  readonly #indirectAllowed: boolean
  readonly #eventIndex: boolean
  readonly #desc: RingPart
  readonly #avail: RingPart
  readonly #used: RingPart
  /** For indirect tables that there is no window to. */
  readonly #table: RingPart
  readonly #windows: IndirectWindows

  #hi = new Uint32Array(FIRST_CAPACITY)
  #lo = new Uint32Array(FIRST_CAPACITY)
  #length = new Uint32Array(FIRST_CAPACITY)
  /** Descriptors that were fetched through the port, and where one lies that refers to an indirect table, in words. */
  #fetched = new Uint32Array(FIRST_CAPACITY * DESC_WORDS)
  #refersAt = 0
  #head = -1
  #count = 0
  #readableCount = 0
  #readableBytes = 0
  #writableBytes = 0

  #broken: string | null = null
  /** Free-running indices: the next entry to take, the end of what is known to be available. */
  #nextAvail = 0
  #availEnd = 0
  /** The next entry to put on the used ring. */
  #nextUsed = 0
  /** Completions that could not be written because bus mastering was off: no longer in flight, and never told. */
  #lost = 0
  /** Whether `avail_event` follows what is taken: the event index was negotiated, and notifications are on. */
  #tellsEvent: boolean
  #batch = 0
  /** `#nextUsed` at the last `shouldInterrupt`, and chains completed since, as far as `flush` has counted them. */
  #signalled = 0
  #unsignalled = 0
  #everSignalled = false

  // What went through the views since the ledger was last told.
  #accountedAvail = 0
  #accountedUsed = 0
  #descriptorsRead = 0
  #availReads = 0
  #usedReads = 0
  #usedWrites = 0

  /** @throws RangeError where the size is no power of two in [1, 32768] */
  constructor(port: DmaPort, addresses: QueueAddresses, features: RingFeatures) {
    const { size, descHi, descLo, driverHi, driverLo, deviceHi, deviceLo } = addresses
    checkQueueSize(size)
    this.size = size
    this.#mask = size - 1
    this.#longest = Math.max(size, LONGEST_CHAIN)
    this.#port = port
    this.#indirectAllowed = features.indirect
    this.#eventIndex = features.eventIndex
    this.#tellsEvent = features.eventIndex
    this.#desc = new RingPart(port, descHi, descLo, descriptorTableBytes(size), ACCESS_READ, 4)
    this.#avail = new RingPart(port, driverHi, driverLo, availableRingBytes(size, features.eventIndex), ACCESS_READ, 2)
    this.#used = new RingPart(port, deviceHi, deviceLo, usedRingBytes(size, features.eventIndex), ACCESS_READ_WRITE, 4)
    this.#table = new RingPart(port, 0, 0, 0, ACCESS_READ, 4)
    this.#windows = new IndirectWindows(port)
  }

  /** Of the chain that `next` took: the head, which the used ring gives back. */
  get head(): number {
    return this.#head
  }
  /** Descriptors in the chain, those of its indirect table in place of the one that refers to it. */
  get count(): number {
    return this.#count
  }
  /** The first so many are device-readable, the rest device-writable. */
  get readableCount(): number {
    return this.#readableCount
  }
  get readableBytes(): number {
    return this.#readableBytes
  }
  get writableBytes(): number {
    return this.#writableBytes
  }
  /** Bus addresses and lengths of the chain's buffers, in [0, count). Owned by the queue, good until the next `next`. */
  get hi(): Uint32Array {
    return this.#hi
  }
  get lo(): Uint32Array {
    return this.#lo
  }
  get length(): Uint32Array {
    return this.#length
  }
  /** Chains taken and not yet completed. */
  get inFlight(): number {
    return (this.#nextAvail - this.#nextUsed - this.#lost) & 0xffff
  }
  /** Why the queue cannot go on, for DEVICE_NEEDS_RESET (virtio 1.3 §2.1.1); null while it can. */
  get broken(): string | null {
    return this.#broken
  }
  /** How the last ring access without a view ended: tells a ring that cannot be reached from an empty one. */
  get ringResult(): DmaResult {
    return this.#avail.result || this.#desc.result || this.#used.result || this.#table.result
  }

  /**
   * Takes the next available chain. False: there is none, or the queue is broken, or memory cannot be asked just now
   * (bus mastering off, remote memory).
   */
  next(): boolean {
    const index = this.#nextAvail
    if (index === this.#availEnd && !this.#refresh()) return false
    const { halves } = this.#avail
    const { words } = this.#desc
    if (halves === null || words === null) return this.#fetchNext()
    const head = halves[AVAIL_RING_HALVES + (index & this.#mask)]!
    if (head >= this.size) return this.#refuseHead(head)
    const outcome = this.#collect(words, 0, this.size, head, 0)
    if (outcome !== DONE && !this.#goOn(outcome, head, words, head)) return false
    this.#descriptorsRead += this.#count
    this.#head = head
    this.#nextAvail = (index + 1) & 0xffff
    if (this.#tellsEvent) this.#writeAvailEvent()
    return true
  }

  /** `next` where a part of the ring has no view. */
  #fetchNext(): boolean {
    const head = this.#avail.read16(AVAIL_RING + (this.#nextAvail & this.#mask) * 2)
    if (this.#avail.deferred) return this.#drop()
    if (head >= this.size) return this.#refuseHead(head)
    let { words } = this.#desc
    let first = head
    if (words === null) {
      if (!this.#fetchChain(this.#desc, this.size, head)) return this.#drop()
      words = this.#fetched
      first = 0
    }
    const outcome = this.#collect(words, 0, this.size, first, 0)
    if (outcome !== DONE && !this.#goOn(outcome, head, words, first)) return false
    this.#descriptorsRead += this.#count
    this.#head = head
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff
    if (this.#tellsEvent) this.#writeAvailEvent()
    return true
  }

  /** Starts a batch: makes sure of the views and looks how many entries are available. */
  #refresh(): boolean {
    this.flush()
    if (this.#broken !== null) return false
    this.#desc.refresh()
    this.#avail.refresh()
    this.#used.refresh()
    this.#batch = (this.#batch + 1) | 0
    const end = this.#avail.read16(AVAIL_IDX)
    if (this.#avail.deferred) return false
    this.#availReads++
    const ready = (end - this.#nextAvail) & 0xffff
    if (ready === 0) {
      this.flush()
      return false
    }
    if (ready > this.size) return this.#refuseIndex(end)
    // No more than may be in flight: the batch ends there, and only where nothing was completed is it too many.
    const room = this.size - this.inFlight
    if (room <= 0) return this.#break(`more than ${this.size} chains are in flight`)
    this.#availEnd = (this.#nextAvail + Math.min(ready, room)) & 0xffff
    return true
  }

  #refuseHead(head: number): false {
    return this.#break(`the driver made head ${head} available in a queue of ${this.size}`)
  }

  /** Names the head first where that is nonsense too, as QEMU does: such a ring is mostly no ring at all. */
  #refuseIndex(end: number): false {
    const head = this.#avail.read16(AVAIL_RING + (this.#nextAvail & this.#mask) * 2)
    if (this.#avail.deferred) return this.#drop()
    if (head >= this.size) return this.#refuseHead(head)
    return this.#break(`avail.idx went from ${this.#nextAvail} to ${end}: that is more than ${this.size} entries`)
  }

  /** What is not a plain chain, or a longer one than any before. `words` has it from descriptor `first` on. */
  #goOn(stopped: number, head: number, words: Uint32Array, first: number): boolean {
    let outcome = stopped
    while (outcome === FULL && this.#grow(this.size)) outcome = this.#collect(words, 0, this.size, first, 0)
    if (outcome === REFERS) return this.#walkIndirect(head, words)
    return outcome === DONE || this.#refuseChain(head, outcome)
  }

  /** Goes on in the indirect table that the descriptor at `#refersAt` of `words` refers to. */
  #walkIndirect(head: number, words: Uint32Array): boolean {
    const before = this.#count
    const lo = words[this.#refersAt + WORD_LO]!
    const hi = words[this.#refersAt + WORD_HI]!
    const bytes = words[this.#refersAt + WORD_LEN]!
    const hasNext = (words[this.#refersAt + WORD_FLAGS_NEXT]! & NEXT) !== 0
    if (!this.#indirectAllowed || hasNext || bytes === 0 || bytes % DESC_BYTES !== 0) {
      return this.#refuseTable(head, bytes, hasNext)
    }
    const entries = bytes / DESC_BYTES
    const inPage = lo & PAGE_MASK
    const window = inPage + bytes <= PAGE_MASK + 1 && (lo & 3) === 0 ? this.#windows.find(hi, lo, this.#batch) : null
    let table = window === null ? null : window.words
    const base = table === null ? 0 : inPage >>> 2
    if (table === null) {
      this.#table.moveTo(hi, lo)
      if (!this.#fetchChain(this.#table, entries, 0)) return this.#drop()
      table = this.#fetched
    }
    let outcome = this.#collect(table, base, entries, 0, before)
    while (outcome === FULL && this.#grow(before + entries)) outcome = this.#collect(table, base, entries, 0, before)
    const inTable = this.#count - before
    if (window !== null) window.descriptors += inTable
    // `next` counts all of the chain as read from the descriptor table.
    this.#descriptorsRead -= inTable - 1
    return outcome === DONE || this.#refuseChain(head, outcome)
  }

  /**
   * Collects the buffers of a chain from a table of `entries` that starts at word `base`, after the `before` that came
   * from another; answers DONE or why it stopped.
   */
  #collect(words: Uint32Array, base: number, entries: number, first: number, before: number): number {
    const hi = this.#hi
    const lo = this.#lo
    const length = this.#length
    const bound = Math.min(before + entries, hi.length)
    let index = first
    let count = before
    let readableCount = 0
    let readableBytes = 0
    let writableBytes = 0
    if (before !== 0) {
      readableCount = this.#readableCount
      readableBytes = this.#readableBytes
      writableBytes = this.#writableBytes
    }

    for (;;) {
      const at = base + index * DESC_WORDS
      const addressLo = words[at + WORD_LO]!
      const addressHi = words[at + WORD_HI]!
      const bytes = words[at + WORD_LEN]!
      const flagsNext = words[at + WORD_FLAGS_NEXT]!

      if ((flagsNext & INDIRECT) !== 0) {
        this.#refersAt = at
        this.#count = count
        this.#readableCount = readableCount
        this.#readableBytes = readableBytes
        this.#writableBytes = writableBytes
        return REFERS
      }
      if (bytes === 0) return EMPTY
      if (addressHi === 0xffff_ffff && addressLo + bytes > 0x1_0000_0000) return OVERFLOW
      if (count === bound) return FULL
      if ((flagsNext & WRITE) !== 0) writableBytes += bytes
      else if (readableCount === count) {
        readableCount = count + 1
        readableBytes += bytes
      } else return ORDER
      hi[count] = addressHi
      lo[count] = addressLo
      length[count] = bytes
      count++
      if ((flagsNext & NEXT) === 0) break
      index = flagsNext >>> NEXT_SHIFT
      if (index >= entries) return LINK
    }
    this.#count = count
    this.#readableCount = readableCount
    this.#readableBytes = readableBytes
    this.#writableBytes = writableBytes
    return DONE
  }

  /**
   * Without a view: fetches a table's chain into `#fetched`, a descriptor at a time. They are packed there one after the
   * other, so links are written anew, but for one that leads out of the table. False: not now.
   */
  #fetchChain(part: RingPart, entries: number, first: number): boolean {
    const most = Math.min(entries, this.#longest)
    let index = first
    for (let count = 0; ; count++) {
      const words = part.fetch128(index * DESC_BYTES)
      if (part.deferred) return false
      const at = count * DESC_WORDS
      if (at + DESC_WORDS > this.#fetched.length) this.#fetched = larger(this.#fetched)
      this.#fetched.set(words, at)
      const flagsNext = words[WORD_FLAGS_NEXT]!
      index = flagsNext >>> NEXT_SHIFT
      // One more than there can be is fetched: the walk then finds that it is a loop.
      if ((flagsNext & (NEXT | INDIRECT)) !== NEXT || index >= entries || count === most) return true
      this.#fetched[at + WORD_FLAGS_NEXT] = (flagsNext & 0xffff) | (Math.min(count + 1, entries - 1) << NEXT_SHIFT)
    }
  }

  /** Makes room for longer chains; false where no chain may be longer, so that this one is a loop. */
  #grow(most: number): boolean {
    if (this.#hi.length >= Math.min(most, this.#longest)) return false
    this.#hi = larger(this.#hi)
    this.#lo = larger(this.#lo)
    this.#length = larger(this.#length)
    return true
  }

  #refuseChain(head: number, outcome: number): false {
    const chain = `the chain at head ${head}`
    switch (outcome) {
      case EMPTY:
        return this.#break(`${chain} has a buffer of no bytes`)
      case OVERFLOW:
        return this.#break(`${chain} has a buffer that ends above 2^64`)
      case FULL:
        return this.#break(`${chain} is a loop, or longer than its table`)
      case ORDER:
        return this.#break(`${chain} has a device-readable buffer after a device-writable one`)
      case LINK:
        return this.#break(`${chain} has a link that leads out of its table`)
      default:
        return this.#break(`${chain} has an indirect table that refers to another`)
    }
  }

  #refuseTable(head: number, bytes: number, hasNext: boolean): false {
    const chain = `the chain at head ${head}`
    if (!this.#indirectAllowed) return this.#break(`${chain} has an indirect table, which was not negotiated`)
    if (hasNext) return this.#break(`${chain} goes on after its indirect table`)
    return this.#break(`${chain} has an indirect table of ${bytes} bytes, which is no multiple of 16 above 0`)
  }

  #break(reason: string): false {
    this.#broken = reason
    this.flush()
    this.#used.stop()
    return this.#drop()
  }

  /** Ends the batch early. */
  #drop(): false {
    this.#availEnd = this.#nextAvail
    this.flush()
    return false
  }

  /**
   * Copies `into.length` bytes of the chain's readable buffers, from byte `offset` of them on. Ends with the first DMA
   * that fails.
   *
   * @throws RangeError beyond `readableBytes`
   */
  read(offset: number, into: Uint8Array): DmaResult {
    if (offset < 0 || offset + into.length > this.#readableBytes) {
      throw new RangeError(
        `bytes [${offset}, ${offset + into.length}) of a chain with ${this.#readableBytes} readable ones`,
      )
    }
    let index = 0
    let from = offset
    while (from >= this.#length[index]! && index < this.#readableCount) from -= this.#length[index++]!
    let done = 0
    while (done < into.length) {
      const run = Math.min(this.#length[index]! - from, into.length - done)
      const lo = this.#lo[index]! + from
      const hi = lo > 0xffff_ffff ? this.#hi[index]! + 1 : this.#hi[index]!
      const part = run === into.length ? into : new Uint8Array(into.buffer, into.byteOffset + done, run)
      const result = this.#port.read(hi >>> 0, lo >>> 0, part)
      if (result !== DMA_OK) return result
      done += run
      from = 0
      index++
    }
    return DMA_OK
  }

  /**
   * Copies `from` to the chain's writable buffers, from byte `offset` of them on. Ends with the first DMA that fails.
   *
   * @throws RangeError beyond `writableBytes`
   */
  write(offset: number, from: Uint8Array): DmaResult {
    if (offset < 0 || offset + from.length > this.#writableBytes) {
      throw new RangeError(
        `bytes [${offset}, ${offset + from.length}) of a chain with ${this.#writableBytes} writable ones`,
      )
    }
    let index = this.#readableCount
    let skip = offset
    while (skip >= this.#length[index]! && index < this.#count) skip -= this.#length[index++]!
    let done = 0
    while (done < from.length) {
      const run = Math.min(this.#length[index]! - skip, from.length - done)
      const lo = this.#lo[index]! + skip
      const hi = lo > 0xffff_ffff ? this.#hi[index]! + 1 : this.#hi[index]!
      const part = run === from.length ? from : new Uint8Array(from.buffer, from.byteOffset + done, run)
      const result = this.#port.write(hi >>> 0, lo >>> 0, part)
      if (result !== DMA_OK) return result
      done += run
      skip = 0
      index++
    }
    return DMA_OK
  }

  /**
   * Puts a chain on the used ring, and publishes `used.idx`.
   *
   * @param written - bytes written to its writable buffers, from the first on
   * @param head - of the chain; by default the one that `next` took last
   * @throws RangeError where no chain is in flight, or `head` is outside the queue
   */
  complete(written: number, head: number = this.#head): void {
    if (((this.#nextUsed + this.#lost) & 0xffff) === this.#nextAvail || head >>> 0 >= this.size)
      this.#refuseHeadBack(head)
    const used = this.#used
    // A write to guest memory may have ended the view since the batch began.
    if (!used.hasView) {
      this.#completeSlowly(written, head)
      return
    }
    const words = used.words!
    const at = USED_RING_WORDS + (this.#nextUsed & this.#mask) * ELEM_WORDS
    words[at + ELEM_ID] = head
    words[at + ELEM_LEN] = written
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff
    used.halves![USED_IDX_HALF] = this.#nextUsed
  }

  #refuseHeadBack(head: number): never {
    throw new RangeError(
      this.inFlight === 0 ? 'no chain of this queue is in flight' : `head ${head} is outside [0, ${this.size})`,
    )
  }

  /** `complete` with no view, with another than before, or of a broken queue. */
  #completeSlowly(written: number, head: number): void {
    if (this.#broken !== null) {
      this.#lost++
      return
    }
    const used = this.#used
    this.flush()
    used.refresh()
    used.write64(USED_RING + (this.#nextUsed & this.#mask) * ELEM_BYTES, head, written)
    if (used.result === DMA_DISABLED) {
      this.#lost++
      return
    }
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff
    used.write16(USED_IDX, this.#nextUsed)
  }

  /**
   * Whether the driver wants an interrupt for what was completed since the last call: `VIRTQ_AVAIL_F_NO_INTERRUPT`, or
   * `used_event` (virtio 1.3 §2.7.7). Ends the batch.
   */
  shouldInterrupt(): boolean {
    this.flush()
    if (this.#unsignalled === 0 || this.#broken !== null) return this.#drop()
    const old = this.#signalled
    const now = this.#nextUsed
    // So far back that 16 bits cannot tell, or never: then there is nothing to compare with.
    const comparable = this.#everSignalled && this.#unsignalled <= 0x7fff
    this.#signalled = now
    this.#everSignalled = true
    this.#unsignalled = 0
    const avail = this.#avail
    this.#sync(avail)
    this.#availReads++
    const wanted = this.#eventIndex
      ? needEvent(avail.read16(AVAIL_RING + 2 * this.size), now, old) || !comparable
      : (avail.read16(AVAIL_FLAGS) & NO_INTERRUPT) === 0
    const deferred = avail.deferred
    this.#drop()
    return wanted && !deferred
  }

  /** Tells the driver that the device looks by itself: called when a notification is taken up. A hint. */
  disableNotifications(): void {
    this.#tellsEvent = false
    // With the event index there is nothing to write: an `avail_event` that is not moved on is passed but once.
    if (this.#eventIndex || this.#broken !== null) return
    this.#setNoNotify(NO_NOTIFY)
  }

  /**
   * Asks the driver to notify of the next chain; writes `avail_event` or `used.flags`, also where the queue is empty.
   *
   * @returns true where chains were made available in the meantime, for which no notification will come: go on
   */
  enableNotifications(): boolean {
    this.#tellsEvent = this.#eventIndex
    if (this.#broken !== null) return false
    this.#sync(this.#avail)
    if (this.#eventIndex) {
      this.#sync(this.#used)
      this.#availReads++
      this.#used.write16(USED_RING + ELEM_BYTES * this.size, this.#avail.read16(AVAIL_IDX))
      this.#usedWrites++
    } else this.#setNoNotify(0)
    this.#availReads++
    const more = this.#avail.read16(AVAIL_IDX) !== this.#nextAvail
    const deferred = this.#avail.deferred
    this.#drop()
    return more && !deferred
  }

  /** Changes one bit of `used.flags` and leaves the rest as it is, whatever lies there. */
  #setNoNotify(bit: number): void {
    const used = this.#used
    this.#sync(used)
    const flags = used.read16(USED_FLAGS)
    this.#usedReads++
    if (used.deferred) return
    used.write16(USED_FLAGS, (flags & ~NO_NOTIFY) | bit)
    this.#usedWrites++
  }

  #writeAvailEvent(): void {
    this.#used.write16(USED_RING + ELEM_BYTES * this.size, this.#nextAvail)
    this.#usedWrites++
  }

  #sync(part: RingPart): void {
    if (part.hasView) return
    this.flush()
    part.refresh()
  }

  /**
   * Tells the ledger what was read and written since it was last told. `next` does so where it finds nothing, and
   * `shouldInterrupt`; a device that ends its work otherwise calls it.
   */
  flush(): void {
    const taken = (this.#nextAvail - this.#accountedAvail) & 0xffff
    const completed = (this.#nextUsed - this.#accountedUsed) & 0xffff
    this.#unsignalled += completed
    this.#accountedAvail = this.#nextAvail
    this.#accountedUsed = this.#nextUsed

    const reads = taken + this.#availReads
    const words = this.#usedReads + this.#usedWrites
    this.#desc.account(this.#descriptorsRead, 0, this.#descriptorsRead * DESC_BYTES)
    this.#avail.account(reads, 0, reads * 2)
    this.#used.account(this.#usedReads, this.#usedWrites + 2 * completed, 2 * words + (ELEM_BYTES + 2) * completed)
    this.#windows.account()
    this.#descriptorsRead = 0
    this.#availReads = 0
    this.#usedReads = 0
    this.#usedWrites = 0
  }
}
