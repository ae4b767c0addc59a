import type { RingFeatures } from '../device/queue.ts'
import { keepShape } from '../keep-shape.ts'
import { needPackedEvent } from '../need-event.ts'
import { checkPackedQueueSize } from '../packed-ring-layout.ts'
import {
  PVIRTQ_DESC,
  PVIRTQ_DESC_F,
  PVIRTQ_EVENT_FLAGS,
  PVIRTQ_EVENT_SUPPRESS,
  RING_EVENT_FLAGS_DESC,
  RING_EVENT_FLAGS_DISABLE,
  RING_EVENT_FLAGS_ENABLE,
} from '../spec/packed-ring.ts'
import { BUFFER_WORDS, type BufferList } from './buffer-list.ts'
import type { DriverQueue } from './driver-queue.ts'
import { type IndirectTable, NO_MEMORY, type RingAddresses, type RingMemory } from './ring-memory.ts'

const NEXT = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_NEXT.loMask
const WRITE = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_WRITE.loMask
const INDIRECT = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_INDIRECT.loMask
const AVAIL = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_AVAIL.loMask
const USED = PVIRTQ_DESC_F.fields.VIRTQ_DESC_F_USED.loMask

const DESC_BYTES = PVIRTQ_DESC.size
const DESC_LO = PVIRTQ_DESC.fields.addr.lo.offset
const DESC_HI = PVIRTQ_DESC.fields.addr.hi.offset
const DESC_LEN = PVIRTQ_DESC.fields.len.offset
const DESC_ID = PVIRTQ_DESC.fields.id.offset
const DESC_FLAGS = PVIRTQ_DESC.fields.flags.offset
const EVENT_DESC = PVIRTQ_EVENT_SUPPRESS.fields.desc.offset
const EVENT_FLAGS = PVIRTQ_EVENT_SUPPRESS.fields.flags.offset
const EVENT_FLAGS_MASK = PVIRTQ_EVENT_FLAGS.fields.desc_event_flags.loMask
const WRAP_SHIFT = 15
const NOT_IN_FLIGHT = 0

/**
 * The driver's half of a packed virtqueue (virtio 1.3 §2.8), in the guest's own memory accesses and in Linux's order: a
 * chain's first flags are written last, every descriptor of it bears its id, and ids are given out as Linux does.
 */
export class PackedDriverQueue<Token = number> implements DriverQueue<Token> {
  static {
    keepShape(
      new PackedDriverQueue(
        NO_MEMORY,
        { size: 1, desc: 0, driver: 0, device: 0 },
        { indirect: false, eventIndex: false },
      ),
    )
  }

  readonly size: number
  free: number
  broken: string | null = null
  reapedHead = -1
  reapedLength = 0

  readonly #memory: RingMemory
  readonly #desc: number
  readonly #driver: number
  readonly #device: number
  readonly #eventIndex: boolean
  readonly #indirect: boolean
  /** Free ids, as a list that begins at `#freeId`; a chain of several descriptors takes as many of them. */
  readonly #next: Uint16Array
  /** Per id: descriptors in its chain; 0 where it is not in flight. */
  readonly #chainLength: Uint16Array
  /** Per id in flight: the last of the ids that its chain took. */
  readonly #chainLast: Uint16Array
  readonly #tokens: (Token | undefined)[]
  #freeId = 0
  /** The entry to fill next, and AVAIL and USED as they make it available in this round. */
  #nextAvail = 0
  #availFlags = AVAIL
  /** The entry that the device gives back next, and this round's wrap counter. */
  #nextUsed = 0
  #usedWrap: 0 | 1 = 1
  /** Descriptors added since `publish`. */
  #added = 0
  #eventFlags = RING_EVENT_FLAGS_ENABLE

  /** @throws RangeError where the size is not in [1, 32768], or a part is misaligned */
  constructor(memory: RingMemory, addresses: RingAddresses, features: RingFeatures) {
    const { size, desc, driver, device } = addresses
    checkPackedQueueSize(size)
    if (desc % 16 !== 0 || driver % 4 !== 0 || device % 4 !== 0) {
      throw new RangeError(
        `the descriptor ring, driver and device area are aligned to 16, 4 and 4 bytes, got 0x${desc.toString(16)}, 0x${driver.toString(16)} and 0x${device.toString(16)}`,
      )
    }
    this.size = size
    this.free = size
    this.#memory = memory
    this.#desc = desc
    this.#driver = driver
    this.#device = device
    this.#eventIndex = features.eventIndex
    this.#indirect = features.indirect
    this.#next = Uint16Array.from({ length: size }, (_, index) => (index + 1) % size)
    this.#chainLength = new Uint16Array(size)
    this.#chainLast = new Uint16Array(size)
    this.#tokens = new Array<Token | undefined>(size).fill(undefined)
  }

  get reapedToken(): Token | undefined {
    return this.#tokens[this.reapedHead]
  }

  get inFlight(): number {
    let count = 0
    for (const length of this.#chainLength) if (length !== NOT_IN_FLIGHT) count++
    return count
  }

  add(buffers: BufferList, token: Token, table: IndirectTable | null = null): number {
    const { count } = buffers
    if (count === 0) throw new RangeError('a request has at least one buffer')
    const indirect = table !== null && this.#indirect && count > 1
    if (indirect && count > table.capacity) {
      throw new RangeError(`${count} buffers do not fit in an indirect table of ${table.capacity}`)
    }
    const taken = indirect ? 1 : count
    if (this.broken !== null || this.free < taken) return -1
    const id = this.#freeId
    if (indirect) this.#writeIndirect(id, buffers, table)
    else this.#writeDirect(id, buffers)

    let last = id
    for (let more = taken - 1; more > 0; more--) last = this.#next[last]!
    this.#freeId = this.#next[last]!
    this.#chainLast[id] = last
    this.#chainLength[id] = taken
    this.#tokens[id] = token
    this.free -= taken
    this.#added += taken
    return id
  }

  #writeDirect(id: number, buffers: BufferList): void {
    const memory = this.#memory
    const { count, readableCount, words } = buffers
    const head = this.#nextAvail
    let headFlags = 0
    for (let at = 0; at < count; at++) {
      const base = this.#desc + this.#nextAvail * DESC_BYTES
      const flags = this.#availFlags | (at < readableCount ? 0 : WRITE) | (at + 1 < count ? NEXT : 0)
      memory.write32(base + DESC_LO, words[at * BUFFER_WORDS]!)
      memory.write32(base + DESC_HI, words[at * BUFFER_WORDS + 1]!)
      memory.write32(base + DESC_LEN, words[at * BUFFER_WORDS + 2]!)
      memory.write16(base + DESC_ID, id)
      if (at === 0) headFlags = flags
      else memory.write16(base + DESC_FLAGS, flags)
      this.#advance()
    }
    memory.write16(this.#desc + head * DESC_BYTES + DESC_FLAGS, headFlags)
  }

  #writeIndirect(id: number, buffers: BufferList, table: IndirectTable): void {
    const memory = this.#memory
    const { count, readableCount, words } = buffers
    for (let at = 0; at < count; at++) {
      const base = table.cpu + at * DESC_BYTES
      memory.write32(base + DESC_LO, words[at * BUFFER_WORDS]!)
      memory.write32(base + DESC_HI, words[at * BUFFER_WORDS + 1]!)
      memory.write32(base + DESC_LEN, words[at * BUFFER_WORDS + 2]!)
      memory.write16(base + DESC_ID, 0)
      memory.write16(base + DESC_FLAGS, at < readableCount ? 0 : WRITE)
    }
    const base = this.#desc + this.#nextAvail * DESC_BYTES
    memory.write32(base + DESC_LO, table.lo)
    memory.write32(base + DESC_HI, table.hi)
    memory.write32(base + DESC_LEN, count * DESC_BYTES)
    memory.write16(base + DESC_ID, id)
    memory.write16(base + DESC_FLAGS, INDIRECT | this.#availFlags)
    this.#advance()
  }

  #advance(): void {
    this.#nextAvail++
    if (this.#nextAvail < this.size) return
    this.#nextAvail = 0
    this.#availFlags ^= AVAIL | USED
  }

  /** The device sees a chain as soon as it is written: what is left is to ask its event suppression structure. */
  publish(): boolean {
    const added = this.#added
    if (added === 0 || this.broken !== null) return false
    this.#added = 0
    const flags = this.#memory.read16(this.#device + EVENT_FLAGS) & EVENT_FLAGS_MASK
    if (flags !== RING_EVENT_FLAGS_DESC) return flags !== RING_EVENT_FLAGS_DISABLE
    const offWrap = this.#memory.read16(this.#device + EVENT_DESC)
    return needPackedEvent(offWrap, this.#nextAvail, this.#availFlags === AVAIL ? 1 : 0, added, this.size)
  }

  #isUsed(): boolean {
    const flags = this.#memory.read16(this.#desc + this.#nextUsed * DESC_BYTES + DESC_FLAGS)
    return (flags & (AVAIL | USED)) === (this.#usedWrap === 1 ? AVAIL | USED : 0)
  }

  reap(): boolean {
    if (this.broken !== null || !this.#isUsed()) return false
    const memory = this.#memory
    const base = this.#desc + this.#nextUsed * DESC_BYTES
    const id = memory.read16(base + DESC_ID)
    const length = id < this.size ? this.#chainLength[id]! : NOT_IN_FLIGHT
    if (length === NOT_IN_FLIGHT) return this.#break(id)

    this.reapedHead = id
    this.reapedLength = memory.read32(base + DESC_LEN)
    this.#chainLength[id] = NOT_IN_FLIGHT
    this.#next[this.#chainLast[id]!] = this.#freeId
    this.#freeId = id
    this.free += length

    this.#nextUsed += length
    if (this.#nextUsed >= this.size) {
      this.#nextUsed -= this.size
      this.#usedWrap = this.#usedWrap === 1 ? 0 : 1
    }
    if (this.#eventFlags === RING_EVENT_FLAGS_DESC) this.#writeUsedEvent()
    return true
  }

  #writeUsedEvent(): void {
    this.#memory.write16(this.#driver + EVENT_DESC, this.#nextUsed | (this.#usedWrap << WRAP_SHIFT))
  }

  #break(id: number): false {
    this.broken =
      id < this.size
        ? `the device gave back id ${id}, which is not in flight`
        : `the device gave back id ${id}, outside the queue of ${this.size}`
    return false
  }

  disableInterrupts(): void {
    if (this.#eventFlags === RING_EVENT_FLAGS_DISABLE) return
    this.#eventFlags = RING_EVENT_FLAGS_DISABLE
    this.#memory.write16(this.#driver + EVENT_FLAGS, RING_EVENT_FLAGS_DISABLE)
  }

  enableInterrupts(): boolean {
    if (this.#eventIndex) this.#writeUsedEvent()
    if (this.#eventFlags === RING_EVENT_FLAGS_DISABLE) {
      this.#eventFlags = this.#eventIndex ? RING_EVENT_FLAGS_DESC : RING_EVENT_FLAGS_ENABLE
      this.#memory.write16(this.#driver + EVENT_FLAGS, this.#eventFlags)
    }
    return this.broken === null && this.#isUsed()
  }

  detachUnused(give: (token: Token, head: number) => void): void {
    for (let id = 0; id < this.size; id++) {
      if (this.#chainLength[id] === NOT_IN_FLIGHT) continue
      const token = this.#tokens[id] as Token
      this.#tokens[id] = undefined
      this.#chainLength[id] = NOT_IN_FLIGHT
      give(token, id)
    }
    this.broken ??= 'its requests were detached'
  }
}
