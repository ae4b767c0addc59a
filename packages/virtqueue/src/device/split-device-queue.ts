import type { DmaPort, DmaResult } from '@dmascope/memory'
import { ACCESS_READ, ACCESS_READ_WRITE, DMA_DISABLED } from '@dmascope/memory'
import { keepShape } from '../keep-shape.ts'
import { needEvent } from '../need-event.ts'
import {
  VIRTQ_AVAIL,
  VIRTQ_AVAIL_F,
  VIRTQ_DESC,
  VIRTQ_USED,
  VIRTQ_USED_ELEM,
  VIRTQ_USED_F,
} from '../spec/split-ring.ts'
import { availableRingBytes, checkQueueSize, descriptorTableBytes, usedRingBytes } from '../split-ring-layout.ts'
import { CHAIN_DONE, CHAIN_REFUSED, DescriptorChain } from './descriptor-chain.ts'
import type { DeviceQueue } from './device-queue.ts'
import { NO_PORT, SMALLEST } from './no-port.ts'
import type { QueueAddresses, RingFeatures } from './queue.ts'
import { RingPart } from './ring-part.ts'
import { TakenChain } from './taken-chain.ts'

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
const ELEM_BYTES = VIRTQ_USED_ELEM.size
const DESC_WORDS = VIRTQ_DESC.size >>> 2
const ELEM_ID = VIRTQ_USED_ELEM.fields.id.offset >>> 2
const ELEM_LEN = VIRTQ_USED_ELEM.fields.len.offset >>> 2

/** The device's half of a split virtqueue (virtio 1.3 §2.7). */
export class SplitDeviceQueue extends TakenChain<DescriptorChain> implements DeviceQueue {
  static {
    keepShape(new SplitDeviceQueue(NO_PORT, SMALLEST, { indirect: false, eventIndex: false }))
  }

  readonly size: number
  readonly #mask: number
  readonly #eventIndex: boolean
  readonly #avail: RingPart
  readonly #used: RingPart
  #head = -1

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
  /** `#nextUsed` at the last `shouldInterrupt`, and chains completed since, as far as `flush` has counted them. */
  #signalled = 0
  #unsignalled = 0
  #everSignalled = false

  // What went through the views since the ledger was last told.
  #accountedAvail = 0
  #accountedUsed = 0
  #availReads = 0
  #usedReads = 0
  #usedWrites = 0

  /** @throws RangeError where the size is no power of two in [1, 32768] */
  constructor(port: DmaPort, addresses: QueueAddresses, features: RingFeatures) {
    const { size, descHi, descLo, driverHi, driverLo, deviceHi, deviceLo } = addresses
    checkQueueSize(size)
    const desc = new RingPart(port, descHi, descLo, descriptorTableBytes(size), ACCESS_READ, 4)
    super(port, new DescriptorChain(port, desc, size, features.indirect))
    this.size = size
    this.#mask = size - 1
    this.#eventIndex = features.eventIndex
    this.#tellsEvent = features.eventIndex
    this.#avail = new RingPart(port, driverHi, driverLo, availableRingBytes(size, features.eventIndex), ACCESS_READ, 2)
    this.#used = new RingPart(port, deviceHi, deviceLo, usedRingBytes(size, features.eventIndex), ACCESS_READ_WRITE, 4)
  }

  get head(): number {
    return this.#head
  }
  get inFlight(): number {
    return (this.#nextAvail - this.#nextUsed - this.#lost) & 0xffff
  }
  get broken(): string | null {
    return this.#broken
  }
  get ringResult(): DmaResult {
    return this.#avail.result || this.chain.part.result || this.#used.result
  }

  next(): boolean {
    const index = this.#nextAvail
    if (index === this.#availEnd && !this.#refresh()) return false
    const { halves } = this.#avail
    const chain = this.chain
    const { words } = chain.part
    if (halves === null || words === null) return this.#fetchNext()
    const head = halves[AVAIL_RING_HALVES + (index & this.#mask)]!
    if (head >= this.size) return this.#refuseHead(head)
    // Most indirect chains are one descriptor, and a table.
    if (chain.refers(words, head * DESC_WORDS)) {
      const outcome = chain.walkIndirect(head, words, head * DESC_WORDS, 0)
      if (outcome !== CHAIN_DONE) return this.#stop(outcome)
    } else {
      const outcome = chain.collect(words, 0, this.size, head, 0)
      if (outcome !== CHAIN_DONE && !this.#goOn(outcome, head, words)) return false
    }
    chain.tableReads += chain.count
    this.#head = head
    this.#nextAvail = (index + 1) & 0xffff
    if (this.#tellsEvent) this.#writeAvailEvent()
    return true
  }

  #goOn(stopped: number, head: number, words: Uint32Array): boolean {
    const outcome = this.chain.goOn(stopped, head, words, head)
    return outcome === CHAIN_DONE || this.#stop(outcome)
  }

  /** `next` where a part of the ring has no view. */
  #fetchNext(): boolean {
    const chain = this.chain
    const head = this.#avail.read16(AVAIL_RING + (this.#nextAvail & this.#mask) * 2)
    if (this.#avail.deferred) return this.#endBatch()
    if (head >= this.size) return this.#refuseHead(head)
    const { words } = chain.part
    let outcome = words === null ? chain.collectFetched(head) : chain.collect(words, 0, this.size, head, 0)
    if (outcome !== CHAIN_DONE && words !== null) outcome = chain.goOn(outcome, head, words, head)
    if (outcome !== CHAIN_DONE) return this.#stop(outcome)
    chain.tableReads += chain.count
    this.#head = head
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff
    if (this.#tellsEvent) this.#writeAvailEvent()
    return true
  }

  /** The chain could not be taken: for now, or ever. */
  #stop(outcome: number): false {
    return outcome === CHAIN_REFUSED ? this.#break(this.chain.refusal) : this.#endBatch()
  }

  /** Starts a batch: makes sure of the views and looks how many entries are available. */
  #refresh(): boolean {
    this.flush()
    if (this.#broken !== null) return false
    this.chain.refresh()
    this.#avail.refresh()
    this.#used.refresh()
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
    if (this.#avail.deferred) return this.#endBatch()
    if (head >= this.size) return this.#refuseHead(head)
    return this.#break(`avail.idx went from ${this.#nextAvail} to ${end}: that is more than ${this.size} entries`)
  }

  #break(reason: string): false {
    this.#broken = reason
    this.flush()
    this.#used.stop()
    return this.#endBatch()
  }

  /** The next batch begins with a look at `avail.idx`. */
  #endBatch(): false {
    this.#availEnd = this.#nextAvail
    this.flush()
    return false
  }

  /** Puts the chain on the used ring, and publishes `used.idx`. */
  complete(written: number, head: number = this.#head): void {
    if (((this.#nextUsed + this.#lost) & 0xffff) === this.#nextAvail || head >>> 0 >= this.size) {
      this.#refuseHeadBack(head)
    }
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

  /** By `VIRTQ_AVAIL_F_NO_INTERRUPT`, or `used_event` (virtio 1.3 §2.7.7). */
  shouldInterrupt(): boolean {
    this.flush()
    if (this.#unsignalled === 0 || this.#broken !== null) return this.#endBatch()
    const avail = this.#avail
    const old = this.#signalled
    const now = this.#nextUsed
    this.#sync(avail)
    const event = avail.read16(this.#eventIndex ? AVAIL_RING + 2 * this.size : AVAIL_FLAGS)
    if (avail.deferred) return this.#endBatch()
    this.#availReads++
    // DEVIATION: so far back that 16 bits cannot tell, or never, there is nothing to compare `used_event` with, and the
    // interrupt is raised.
    const comparable = this.#everSignalled && this.#unsignalled <= 0x7fff
    this.#signalled = now
    this.#everSignalled = true
    this.#unsignalled = 0
    this.#endBatch()
    return this.#eventIndex ? needEvent(event, now, old) || !comparable : (event & NO_INTERRUPT) === 0
  }

  disableNotifications(): void {
    this.#tellsEvent = false
    // With the event index there is nothing to write: an `avail_event` that is not moved on is passed but once.
    if (this.#eventIndex || this.#broken !== null) return
    this.#setNoNotify(NO_NOTIFY)
  }

  /** Writes `avail_event` or `used.flags`, also where the queue is empty. */
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
    this.#endBatch()
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
    this.#sync(this.#used)
    this.#used.write16(USED_RING + ELEM_BYTES * this.size, this.#nextAvail)
    this.#usedWrites++
  }

  #sync(part: RingPart): void {
    if (part.hasView) return
    this.flush()
    part.refresh()
  }

  flush(): void {
    const taken = (this.#nextAvail - this.#accountedAvail) & 0xffff
    const completed = (this.#nextUsed - this.#accountedUsed) & 0xffff
    this.#unsignalled += completed
    this.#accountedAvail = this.#nextAvail
    this.#accountedUsed = this.#nextUsed

    const reads = taken + this.#availReads
    const words = this.#usedReads + this.#usedWrites
    this.chain.account()
    this.#avail.account(reads, 0, reads * 2)
    this.#used.account(this.#usedReads, this.#usedWrites + 2 * completed, 2 * words + (ELEM_BYTES + 2) * completed)
    this.#availReads = 0
    this.#usedReads = 0
    this.#usedWrites = 0
  }
}
