import type { DmaPort, DmaResult } from '@dmascope/memory'
import { ACCESS_READ, ACCESS_READ_WRITE, DMA_DISABLED } from '@dmascope/memory'
import { keepShape } from '../keep-shape.ts'
import { needPackedEvent } from '../need-event.ts'
import { checkPackedQueueSize, PACKED_EVENT_BYTES, packedRingBytes } from '../packed-ring-layout.ts'
import {
  PVIRTQ_DESC,
  PVIRTQ_DESC_F,
  PVIRTQ_EVENT_FLAGS,
  PVIRTQ_EVENT_SUPPRESS,
  RING_EVENT_FLAGS_DESC,
  RING_EVENT_FLAGS_DISABLE,
  RING_EVENT_FLAGS_ENABLE,
} from '../spec/packed-ring.ts'
import type { DeviceQueue } from './device-queue.ts'
import { NO_PORT, SMALLEST } from './no-port.ts'
import { PACKED_DONE, PACKED_REFUSED, PackedChain } from './packed-chain.ts'
import type { QueueAddresses, RingFeatures } from './queue.ts'
import { RingPart } from './ring-part.ts'
import { TakenChain } from './taken-chain.ts'

const DESC_BYTES = PVIRTQ_DESC.size
const DESC_WORDS = DESC_BYTES >>> 2
const LEN = PVIRTQ_DESC.fields.len.offset
const FLAGS = PVIRTQ_DESC.fields.flags.offset
const WORD_LEN = LEN >>> 2
const WORD_ID_FLAGS = PVIRTQ_DESC.fields.id.offset >>> 2
const FLAGS_SHIFT = 16
// Flags as they stand in the word that they share with the id. USED is its highest bit: such words are signed here.
const WRITE = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_WRITE.loMask << FLAGS_SHIFT
const AVAIL = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_AVAIL.loMask << FLAGS_SHIFT
const USED = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_USED.loMask << FLAGS_SHIFT
const EVENT_DESC = PVIRTQ_EVENT_SUPPRESS.fields.desc.offset
const EVENT_FLAGS = PVIRTQ_EVENT_SUPPRESS.fields.flags.offset
const EVENT_FLAGS_MASK = PVIRTQ_EVENT_FLAGS.fields.desc_event_flags.loMask
const WRAP_SHIFT = 15

/**
 * The device's half of a packed virtqueue (virtio 1.3 §2.8): one ring of descriptors, in which both sides go round, and
 * for each side a structure that says when it wants to be told.
 */
export class PackedDeviceQueue extends TakenChain<PackedChain> implements DeviceQueue {
  static {
    keepShape(new PackedDeviceQueue(NO_PORT, SMALLEST, { indirect: false, eventIndex: false }))
  }

  readonly size: number
  readonly #eventIndex: boolean
  readonly #ring: RingPart
  readonly #driverEvent: RingPart
  readonly #deviceEvent: RingPart
  #broken: string | null = null

  /** The entry to take next, and how AVAIL and USED stand in it once it is available: which of the two is set. */
  #nextAvail = 0
  #availFlags = AVAIL
  /** The entry to give back next, and how AVAIL and USED are written there: both, or neither. */
  #nextUsed = 0
  #usedFlags = AVAIL | USED
  /** Chains that may still be taken before views are looked at again; 0 outside of a batch. */
  #batchLeft = 0

  // Chains in flight, by head: a number of ours, since a driver may call two chains by the same id.
  #head = -1
  #inFlight = 0
  #entriesInFlight = 0
  readonly #ids: Uint16Array
  /** Entries that the chain takes; 0 where the head is free. */
  readonly #entries: Uint16Array
  readonly #freeHeads: Uint16Array
  #freeCount: number

  /** Entries given back since `shouldInterrupt` last looked. */
  #unsignalled = 0
  #everSignalled = false

  // What went through the views since the ledger was last told.
  #looks = 0
  #completions = 0
  #driverEventReads = 0
  #deviceEventWrites = 0

  /** @throws RangeError where the size is not in [1, 32768] */
  constructor(port: DmaPort, addresses: QueueAddresses, features: RingFeatures) {
    const { size, descHi, descLo, driverHi, driverLo, deviceHi, deviceLo } = addresses
    checkPackedQueueSize(size)
    const ring = new RingPart(port, descHi, descLo, packedRingBytes(size), ACCESS_READ_WRITE, 4)
    super(port, new PackedChain(port, ring, size, features.indirect))
    this.size = size
    this.#eventIndex = features.eventIndex
    this.#ring = ring
    this.#driverEvent = new RingPart(port, driverHi, driverLo, PACKED_EVENT_BYTES, ACCESS_READ, 2)
    this.#deviceEvent = new RingPart(port, deviceHi, deviceLo, PACKED_EVENT_BYTES, ACCESS_READ_WRITE, 2)
    this.#ids = new Uint16Array(size)
    this.#entries = new Uint16Array(size)
    this.#freeHeads = Uint16Array.from({ length: size }, (_, index) => size - 1 - index)
    this.#freeCount = size
  }

  get head(): number {
    return this.#head
  }
  get inFlight(): number {
    return this.#inFlight
  }
  get broken(): string | null {
    return this.#broken
  }
  get ringResult(): DmaResult {
    return this.#ring.result || this.#driverEvent.result || this.#deviceEvent.result
  }

  next(): boolean {
    if (this.#batchLeft === 0 && !this.#beginBatch()) return false
    const first = this.#nextAvail
    if (!this.#isAvailable()) return this.#endBatch()
    const { chain } = this
    const outcome = chain.take(first)
    if (outcome !== PACKED_DONE) return outcome === PACKED_REFUSED ? this.#break(chain.refusal) : this.#endBatch()
    const { entries } = chain
    if (entries > this.size - this.#entriesInFlight) {
      return this.#break(`more than ${this.size} descriptors are in flight`)
    }
    const head = this.#freeHeads[--this.#freeCount]!
    this.#ids[head] = chain.id
    this.#entries[head] = entries
    this.#head = head
    this.#inFlight++
    this.#entriesInFlight += entries
    this.#nextAvail = first + entries
    if (this.#nextAvail >= this.size) {
      this.#nextAvail -= this.size
      this.#availFlags ^= AVAIL | USED
    }
    this.#batchLeft--
    return true
  }

  #isAvailable(): boolean {
    const { words } = this.#ring
    const at = this.#nextAvail
    if (words !== null) {
      this.#looks++
      return (words[at * DESC_WORDS + WORD_ID_FLAGS]! & (AVAIL | USED)) === this.#availFlags
    }
    const flags = this.#ring.read16(at * DESC_BYTES + FLAGS) << FLAGS_SHIFT
    return !this.#ring.deferred && (flags & (AVAIL | USED)) === this.#availFlags
  }

  /** Makes sure of the views. */
  #beginBatch(): boolean {
    this.flush()
    if (this.#broken !== null) return false
    this.chain.refresh()
    this.#batchLeft = this.size
    return true
  }

  #endBatch(): false {
    this.#batchLeft = 0
    this.flush()
    return false
  }

  #break(reason: string): false {
    this.#broken = reason
    this.flush()
    this.#ring.stop()
    return this.#endBatch()
  }

  /**
   * Writes the chain's id and length over the next entry, and its flags behind them. A chain of several entries is
   * given back in one: the others are passed over.
   */
  complete(written: number, head: number = this.#head): void {
    const entries = head >>> 0 < this.size ? this.#entries[head]! : 0
    if (entries === 0) this.#refuseHeadBack(head)
    this.#entries[head] = 0
    this.#freeHeads[this.#freeCount++] = head
    this.#inFlight--
    this.#entriesInFlight -= entries

    const ring = this.#ring
    const idFlags = this.#ids[head]! | this.#usedFlags | (written > 0 ? WRITE : 0)
    // A write to guest memory may have ended the view since the batch began.
    if (ring.hasView) {
      const words = ring.words!
      const at = this.#nextUsed * DESC_WORDS
      words[at + WORD_LEN] = written
      words[at + WORD_ID_FLAGS] = idFlags
      this.#completions++
    } else if (!this.#completeSlowly(written, idFlags)) return

    this.#unsignalled += entries
    this.#nextUsed += entries
    if (this.#nextUsed >= this.size) {
      this.#nextUsed -= this.size
      this.#usedFlags ^= AVAIL | USED
    }
  }

  #refuseHeadBack(head: number): never {
    throw new RangeError(
      this.#inFlight === 0
        ? 'no chain of this queue is in flight'
        : head >>> 0 < this.size
          ? `head ${head} is not in flight`
          : `head ${head} is outside [0, ${this.size})`,
    )
  }

  /** With no view, with another than before, or of a broken queue. False where the driver will never hear of it. */
  #completeSlowly(written: number, idFlags: number): boolean {
    if (this.#broken !== null) return false
    const ring = this.#ring
    this.flush()
    ring.refresh()
    const at = this.#nextUsed * DESC_BYTES
    ring.write48(at + LEN, written, idFlags & 0xffff)
    if (ring.result === DMA_DISABLED) return false
    ring.write16(at + FLAGS, idFlags >>> FLAGS_SHIFT)
    if (ring.words !== null) this.#completions++
    return true
  }

  /** By the driver's event suppression structure (virtio 1.3 §2.8.10). */
  shouldInterrupt(): boolean {
    this.flush()
    if (this.#unsignalled === 0 || this.#broken !== null) return this.#endBatch()
    const event = this.#driverEvent
    this.#sync(event)
    const flags = event.read16(EVENT_FLAGS) & EVENT_FLAGS_MASK
    if (event.deferred) return this.#endBatch()
    this.#driverEventReads++
    const compares = flags === RING_EVENT_FLAGS_DESC && this.#eventIndex
    const offWrap = compares ? event.read16(EVENT_DESC) : 0
    if (event.deferred) return this.#endBatch()
    if (compares) this.#driverEventReads++
    const passed = this.#unsignalled
    // DEVIATION: as in split rings, the first interrupt is raised whatever the driver wants to be told of.
    const comparable = this.#everSignalled && passed <= this.size
    this.#unsignalled = 0
    this.#everSignalled = true
    this.#endBatch()
    if (!compares) return flags !== RING_EVENT_FLAGS_DISABLE
    return !comparable || needPackedEvent(offWrap, this.#nextUsed, this.#usedFlags === 0 ? 0 : 1, passed, this.size)
  }

  disableNotifications(): void {
    this.#batchLeft = 0
    if (this.#broken !== null) return
    this.#sync(this.#deviceEvent)
    this.#writeEvent(EVENT_FLAGS, RING_EVENT_FLAGS_DISABLE)
  }

  enableNotifications(): boolean {
    if (this.#broken !== null) return false
    this.#sync(this.#deviceEvent)
    if (this.#eventIndex) {
      const wrap = this.#availFlags === AVAIL ? 1 : 0
      this.#writeEvent(EVENT_DESC, this.#nextAvail | (wrap << WRAP_SHIFT))
      this.#writeEvent(EVENT_FLAGS, RING_EVENT_FLAGS_DESC)
    } else this.#writeEvent(EVENT_FLAGS, RING_EVENT_FLAGS_ENABLE)
    this.#sync(this.#ring)
    const more = this.#isAvailable()
    this.#endBatch()
    return more
  }

  #writeEvent(offset: number, value: number): void {
    this.#deviceEvent.write16(offset, value)
    this.#deviceEventWrites++
  }

  #sync(part: RingPart): void {
    if (part.hasView) return
    this.flush()
    part.refresh()
  }

  flush(): void {
    const { chain } = this
    const completions = this.#completions
    // A completion is two writes: length and id, then the flags.
    this.#ring.account(
      this.#looks + chain.ringReads,
      2 * completions,
      2 * this.#looks + DESC_BYTES * chain.ringReads + 8 * completions,
    )
    chain.accountTables()
    this.#driverEvent.account(this.#driverEventReads, 0, 2 * this.#driverEventReads)
    this.#deviceEvent.account(0, this.#deviceEventWrites, 2 * this.#deviceEventWrites)
    chain.ringReads = 0
    this.#looks = 0
    this.#completions = 0
    this.#driverEventReads = 0
    this.#deviceEventWrites = 0
  }
}
