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
import { type IndirectWindow, IndirectWindows } from './indirect-windows.ts'
import type { QueueAddresses, RingFeatures } from './queue.ts'
import { RingPart } from './ring-part.ts'

const { len: LEN, flags: FLAGS, next: NEXT_INDEX } = VIRTQ_DESC.fields
const { lo: ADDR_LO, hi: ADDR_HI } = VIRTQ_DESC.fields.addr
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
const DESC_BYTES = VIRTQ_DESC.size
const ELEM_BYTES = VIRTQ_USED_ELEM.size

const PAGE_MASK = 0xfff
const FIRST_CAPACITY = 16
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
  #head = -1
  #count = 0
  #readableCount = 0
  #readableBytes = 0
  #writableBytes = 0

  #broken: string | null = null
  /** Free-running indices: the next entry to take, the next to put on the used ring. */
  #nextAvail = 0
  #nextUsed = 0
  /** Entries known to be available from `#nextAvail` on. */
  #ready = 0
  #inFlight = 0
  #notifications = true
  /** Value of `#nextUsed` at the last `shouldInterrupt`, and chains completed since; what came so far back that 16 bits
   *  cannot tell is not compared. */
  #signalled = 0
  #signalledValid = false
  #unsignalled = 0
  #batch = 0

  // What went through the views since the ledger was last told.
  #descriptorsRead = 0
  #availReads = 0
  #usedReads = 0
  #elementsWritten = 0
  #usedWrites = 0

  /** @throws RangeError where the size is no power of two in [1, 32768] */
  constructor(port: DmaPort, addresses: QueueAddresses, features: RingFeatures) {
    const { size, descHi, descLo, driverHi, driverLo, deviceHi, deviceLo } = addresses
    checkQueueSize(size)
    this.size = size
    this.#mask = size - 1
    this.#port = port
    this.#indirectAllowed = features.indirect
    this.#eventIndex = features.eventIndex
    this.#desc = new RingPart(port, descHi, descLo, descriptorTableBytes(size), ACCESS_READ)
    this.#avail = new RingPart(port, driverHi, driverLo, availableRingBytes(size, features.eventIndex), ACCESS_READ)
    this.#used = new RingPart(port, deviceHi, deviceLo, usedRingBytes(size, features.eventIndex), ACCESS_READ_WRITE)
    this.#table = new RingPart(port, 0, 0, 0, ACCESS_READ)
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
    return this.#inFlight
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
    if (this.#ready === 0 && !this.#refresh()) return false
    const index = this.#nextAvail
    const avail = this.#avail
    const head = avail.read16(AVAIL_RING + (index & this.#mask) * 2)
    if (avail.deferred) return this.#drop()
    if (head >= this.size) return this.#break(`the driver made head ${head} available in a queue of ${this.size}`)
    if (this.#ready > this.size) {
      return this.#break(
        `avail.idx went from ${index} to ${(index + this.#ready) & 0xffff}: more than ${this.size} entries`,
      )
    }
    if (this.#inFlight >= this.size) return this.#break(`more than ${this.size} chains are in flight`)
    if (!this.#walk(head)) return false

    this.#head = head
    this.#nextAvail = (index + 1) & 0xffff
    this.#ready--
    this.#inFlight++
    this.#availReads++
    if (this.#eventIndex && this.#notifications) this.#writeAvailEvent(this.#nextAvail)
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
    const ready = (this.#avail.read16(AVAIL_IDX) - this.#nextAvail) & 0xffff
    if (this.#avail.deferred) return false
    this.#availReads++
    this.#ready = ready
    if (ready === 0) this.flush()
    return ready !== 0
  }

  /** Collects the chain's descriptors, and checks what can be checked. */
  #walk(head: number): boolean {
    let part = this.#desc
    let data = part.data
    let window: IndirectWindow | null = null
    let nested = false
    let base = 0
    /** Entries in the table, and how many descriptors were there before it. */
    let entries = this.size
    let before = 0
    let hi = this.#hi
    let lo = this.#lo
    let length = this.#length
    let bound = Math.min(entries, hi.length)
    let index = head
    let count = 0
    let readableCount = 0
    let readableBytes = 0
    let writableBytes = 0

    for (;;) {
      let view = data
      let at = base + index * DESC_BYTES
      if (view === null) {
        view = part.read128(at)
        if (part.deferred) return this.#drop()
        at = 0
      }
      const flags = FLAGS.get(view, at)
      const bytes = LEN.get(view, at)
      const addressHi = ADDR_HI.get(view, at)
      const addressLo = ADDR_LO.get(view, at)

      if ((flags & INDIRECT) !== 0) {
        const fault = this.#indirectFault(flags, bytes, nested)
        if (fault !== null) return this.#break(fault)
        nested = true
        before = count
        entries = bytes / DESC_BYTES
        bound = Math.min(before + entries, hi.length)
        index = 0
        base = addressLo & PAGE_MASK
        window = base + bytes <= PAGE_MASK + 1 ? this.#windows.find(addressHi, addressLo, this.#batch) : null
        data = window === null ? null : window.data
        if (data === null) {
          part = this.#table
          part.moveTo(addressHi, addressLo)
          base = 0
        }
        continue
      }

      if (bytes === 0) return this.#break(`descriptor ${index} of the chain at head ${head} has no bytes`)
      if (addressHi === 0xffff_ffff && addressLo + bytes > 0x1_0000_0000) {
        return this.#break(`descriptor ${index} of the chain at head ${head} ends above 2^64`)
      }
      if (count === bound) {
        if (count - before >= entries || count >= Math.max(this.size, LONGEST_CHAIN)) {
          return this.#break(`the chain at head ${head} is a loop, or longer than ${count} descriptors`)
        }
        this.#grow()
        hi = this.#hi
        lo = this.#lo
        length = this.#length
        bound = Math.min(before + entries, hi.length)
      }
      if ((flags & WRITE) !== 0) writableBytes += bytes
      else if (readableCount === count) {
        readableCount = count + 1
        readableBytes += bytes
      } else return this.#break(`the chain at head ${head} has a device-readable buffer after a device-writable one`)
      hi[count] = addressHi
      lo[count] = addressLo
      length[count] = bytes
      count++
      if ((flags & NEXT) === 0) break
      index = NEXT_INDEX.get(view, at)
      if (index >= entries) return this.#break(`the chain at head ${head} links to ${index} in a table of ${entries}`)
    }
    if (nested) {
      this.#descriptorsRead += before + 1
      if (window !== null) window.descriptors += count - before
    } else this.#descriptorsRead += count
    this.#count = count
    this.#readableCount = readableCount
    this.#readableBytes = readableBytes
    this.#writableBytes = writableBytes
    return true
  }

  #indirectFault(flags: number, bytes: number, nested: boolean): string | null {
    if (nested) return 'an indirect table refers to another'
    if (!this.#indirectAllowed) return 'a descriptor refers to an indirect table, which was not negotiated'
    if ((flags & NEXT) !== 0) return 'a descriptor that refers to an indirect table also has a next one'
    if (bytes === 0 || bytes % DESC_BYTES !== 0)
      return `an indirect table has ${bytes} bytes, which is no multiple of 16 above 0`
    return null
  }

  #grow(): void {
    const capacity = this.#hi.length * 2
    const larger = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
      const made = new Uint32Array(capacity)
      made.set(old)
      return made
    }
    this.#hi = larger(this.#hi)
    this.#lo = larger(this.#lo)
    this.#length = larger(this.#length)
  }

  #break(reason: string): false {
    this.#broken = reason
    return this.#drop()
  }

  /** Ends the batch early. */
  #drop(): false {
    this.#ready = 0
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
    if (this.#inFlight === 0) throw new RangeError('no chain of this queue is in flight')
    if (head < 0 || head >= this.size) throw new RangeError(`head ${head} is outside [0, ${this.size})`)
    this.#inFlight--
    if (this.#broken !== null) return
    const used = this.#used
    if (!used.isCurrent()) {
      this.flush()
      used.refresh()
    }
    used.write32x2(USED_RING + (this.#nextUsed & this.#mask) * ELEM_BYTES, head, written)
    if (used.result === DMA_DISABLED) return
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff
    used.write16(USED_IDX, this.#nextUsed)
    this.#elementsWritten++
    if (++this.#unsignalled > 0x7fff) this.#signalledValid = false
  }

  /**
   * Whether the driver wants an interrupt for what was completed since the last call: `VIRTQ_AVAIL_F_NO_INTERRUPT`, or
   * `used_event` (virtio 1.3 §2.7.7). Ends the batch.
   */
  shouldInterrupt(): boolean {
    if (this.#unsignalled === 0 || this.#broken !== null) return this.#drop()
    const old = this.#signalled
    const now = this.#nextUsed
    const valid = this.#signalledValid
    this.#signalled = now
    this.#signalledValid = true
    this.#unsignalled = 0
    this.#sync(this.#avail)
    this.#availReads++
    const avail = this.#avail
    const wanted = this.#eventIndex
      ? needEvent(avail.read16(AVAIL_RING + 2 * this.size), now, old) || !valid
      : (avail.read16(AVAIL_FLAGS) & NO_INTERRUPT) === 0
    const deferred = avail.deferred
    this.#drop()
    return wanted && !deferred
  }

  /** Tells the driver that the device looks by itself: called when a notification is taken up. A hint. */
  disableNotifications(): void {
    this.#notifications = false
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
    this.#notifications = true
    if (this.#broken !== null) return false
    this.#sync(this.#avail)
    if (this.#eventIndex) {
      this.#sync(this.#used)
      this.#availReads++
      this.#writeAvailEvent(this.#avail.read16(AVAIL_IDX))
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

  #writeAvailEvent(index: number): void {
    this.#used.write16(USED_RING + ELEM_BYTES * this.size, index)
    this.#usedWrites++
  }

  #sync(part: RingPart): void {
    if (part.data !== null && part.isCurrent()) return
    this.flush()
    part.refresh()
  }

  /**
   * Tells the ledger what was read and written since it was last told. `next` does so where it finds nothing, and
   * `shouldInterrupt`; a device that ends its work otherwise calls it.
   */
  flush(): void {
    if (this.#availReads + this.#usedReads + this.#usedWrites + this.#elementsWritten === 0) return
    this.#desc.account(this.#descriptorsRead, 0, this.#descriptorsRead * DESC_BYTES)
    this.#avail.account(this.#availReads, 0, this.#availReads * 2)
    const elements = this.#elementsWritten
    const words = this.#usedReads + this.#usedWrites
    this.#used.account(this.#usedReads, this.#usedWrites + 2 * elements, 2 * words + (ELEM_BYTES + 2) * elements)
    this.#windows.account()
    this.#descriptorsRead = 0
    this.#availReads = 0
    this.#usedReads = 0
    this.#usedWrites = 0
    this.#elementsWritten = 0
  }
}
