import type { RingFeatures } from '../device/queue.ts'
import { keepShape } from '../keep-shape.ts'
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
import { checkQueueSize } from '../split-ring-layout.ts'
import { BUFFER_WORDS, type BufferList } from './buffer-list.ts'
import type { DriverQueue } from './driver-queue.ts'
import { type IndirectTable, NO_MEMORY, type RingAddresses, type RingMemory } from './ring-memory.ts'

const NEXT = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_NEXT.loMask
const WRITE = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_WRITE.loMask
const INDIRECT = VIRTQ_DESC_F.fields.VIRTQ_DESC_F_INDIRECT.loMask
const NO_INTERRUPT = VIRTQ_AVAIL_F.fields.VIRTQ_AVAIL_F_NO_INTERRUPT.loMask
const NO_NOTIFY = VIRTQ_USED_F.fields.VIRTQ_USED_F_NO_NOTIFY.loMask

const DESC_BYTES = VIRTQ_DESC.size
const DESC_LO = VIRTQ_DESC.fields.addr.lo.offset
const DESC_HI = VIRTQ_DESC.fields.addr.hi.offset
const DESC_LEN = VIRTQ_DESC.fields.len.offset
/** `flags` and `next` lie side by side and are written as one word. */
const DESC_FLAGS_NEXT = VIRTQ_DESC.fields.flags.offset
const ELEM_BYTES = VIRTQ_USED_ELEM.size
const NOT_IN_FLIGHT = 0

/** The driver's half of a split virtqueue (virtio 1.3 §2.7), in the guest's own memory accesses. */
export class SplitDriverQueue<Token = number> implements DriverQueue<Token> {
  static {
    keepShape(
      new SplitDriverQueue(
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
  readonly #ringStart: number
  readonly #elemStart: number
  readonly #usedEvent: number
  readonly #availEvent: number
  readonly #mask: number
  readonly #eventIndex: boolean
  readonly #indirect: boolean
  /** Links of free descriptors, and of the chains in flight: the driver's own copy. */
  readonly #next: Uint16Array
  /** Per head: descriptors in its chain, 0 where it is not in flight; and `size` behind that, the last of them. */
  readonly #chains: Uint16Array
  readonly #tokens: (Token | undefined)[]
  #freeHead = 0
  /** Free-running index of what was added, and of what was last published. */
  #added = 0
  #published = 0
  #lastUsed = 0
  #usedSeen = 0
  #availFlags = 0

  /** @throws RangeError where the size is no power of two in [1, 32768], or a ring is misaligned */
  constructor(memory: RingMemory, addresses: RingAddresses, features: RingFeatures) {
    const { size, desc, driver, device } = addresses
    checkQueueSize(size)
    if (desc % 16 !== 0 || driver % 2 !== 0 || device % 4 !== 0) {
      throw new RangeError(
        `the descriptor table, available and used ring are aligned to 16, 2 and 4 bytes, got 0x${desc.toString(16)}, 0x${driver.toString(16)} and 0x${device.toString(16)}`,
      )
    }
    this.size = size
    this.free = size
    this.#memory = memory
    this.#desc = desc
    this.#driver = driver
    this.#device = device
    this.#ringStart = driver + VIRTQ_AVAIL.size
    this.#elemStart = device + VIRTQ_USED.size
    this.#usedEvent = this.#ringStart + 2 * size
    this.#availEvent = this.#elemStart + ELEM_BYTES * size
    this.#mask = size - 1
    this.#eventIndex = features.eventIndex
    this.#indirect = features.indirect
    this.#next = new Uint16Array(size)
    this.#chains = new Uint16Array(2 * size)
    this.#tokens = new Array<Token | undefined>(size).fill(undefined)
    for (let index = 0; index < size; index++) this.#next[index] = (index + 1) & this.#mask
  }

  get reapedToken(): Token | undefined {
    return this.#tokens[this.reapedHead]
  }

  get inFlight(): number {
    let count = 0
    for (let head = 0; head < this.size; head++) if (this.#chains[head] !== NOT_IN_FLIGHT) count++
    return count
  }

  add(buffers: BufferList, token: Token, table: IndirectTable | null = null): number {
    const { count } = buffers
    if (count === 0) throw new RangeError('a request has at least one buffer')
    const indirect = table !== null && this.#indirect && count > 1
    if (indirect && count > table.capacity) {
      throw new RangeError(`${count} buffers do not fit in an indirect table of ${table.capacity}`)
    }
    if (this.broken !== null || this.free < (indirect ? 1 : count)) return -1

    const head = this.#freeHead
    if (indirect) {
      this.#writeIndirect(head, buffers, table)
      this.#freeHead = this.#next[head]!
      this.#chains[this.size + head] = head
      this.#chains[head] = 1
      this.free--
    } else {
      const last = this.#writeDirect(head, buffers)
      this.#freeHead = this.#next[last]!
      this.#chains[this.size + head] = last
      this.#chains[head] = count
      this.free -= count
    }
    this.#tokens[head] = token
    this.#memory.write16(this.#ringStart + (this.#added & this.#mask) * 2, head)
    this.#added = (this.#added + 1) & 0xffff
    return head
  }

  /** Answers the chain's last descriptor. */
  #writeDirect(head: number, buffers: BufferList): number {
    const memory = this.#memory
    const table = this.#desc
    const links = this.#next
    const { readableCount, words } = buffers
    const last = buffers.count - 1
    let index = head
    for (let at = 0; ; at++) {
      const base = table + index * DESC_BYTES
      const next = links[index]!
      const flags = (at < readableCount ? 0 : WRITE) | (at < last ? NEXT : 0)
      memory.write32(base + DESC_LO, words[at * BUFFER_WORDS]!)
      memory.write32(base + DESC_HI, words[at * BUFFER_WORDS + 1]!)
      memory.write32(base + DESC_LEN, words[at * BUFFER_WORDS + 2]!)
      memory.write32(base + DESC_FLAGS_NEXT, flags | (next << 16))
      if (at === last) return index
      index = next
    }
  }

  #writeIndirect(head: number, buffers: BufferList, table: IndirectTable): void {
    const memory = this.#memory
    const { count, readableCount, words } = buffers
    for (let at = 0; at < count; at++) {
      const flags = (at < readableCount ? 0 : WRITE) | (at + 1 < count ? NEXT : 0)
      const base = table.cpu + at * DESC_BYTES
      memory.write32(base + DESC_LO, words[at * BUFFER_WORDS]!)
      memory.write32(base + DESC_HI, words[at * BUFFER_WORDS + 1]!)
      memory.write32(base + DESC_LEN, words[at * BUFFER_WORDS + 2]!)
      memory.write32(base + DESC_FLAGS_NEXT, (flags | ((at + 1) << 16)) >>> 0)
    }
    const base = this.#desc + head * DESC_BYTES
    memory.write32(base + DESC_LO, table.lo)
    memory.write32(base + DESC_HI, table.hi)
    memory.write32(base + DESC_LEN, count * DESC_BYTES)
    memory.write32(base + DESC_FLAGS_NEXT, INDIRECT)
  }

  /** Asks `VIRTQ_USED_F_NO_NOTIFY`, or `avail_event`. */
  publish(): boolean {
    const old = this.#published
    const now = this.#added
    if (now === old || this.broken !== null) return false
    this.#published = now
    this.#memory.write16(this.#driver + VIRTQ_AVAIL.fields.idx.offset, now)
    if (this.#eventIndex) return needEvent(this.#memory.read16(this.#availEvent), now, old)
    return (this.#memory.read16(this.#device + VIRTQ_USED.fields.flags.offset) & NO_NOTIFY) === 0
  }

  reap(): boolean {
    const memory = this.#memory
    if (this.#lastUsed === this.#usedSeen) {
      if (this.broken !== null) return false
      this.#usedSeen = memory.read16(this.#device + VIRTQ_USED.fields.idx.offset)
      if (this.#lastUsed === this.#usedSeen) return false
    }
    const elem = this.#elemStart + (this.#lastUsed & this.#mask) * ELEM_BYTES
    const id = memory.read32(elem)
    const length = id < this.size ? this.#chains[id]! : NOT_IN_FLIGHT
    if (length === NOT_IN_FLIGHT) return this.#break(id)

    this.reapedHead = id
    this.reapedLength = memory.read32(elem + VIRTQ_USED_ELEM.fields.len.offset)
    this.#chains[id] = NOT_IN_FLIGHT
    this.#next[this.#chains[this.size + id]!] = this.#freeHead
    this.#freeHead = id
    this.free += length

    this.#lastUsed = (this.#lastUsed + 1) & 0xffff
    if (this.#eventIndex && this.#availFlags === 0) memory.write16(this.#usedEvent, this.#lastUsed)
    return true
  }

  #break(id: number): false {
    this.broken =
      id < this.size
        ? `the device gave back head ${id}, which is not in flight`
        : `the device gave back head ${id}, outside the queue of ${this.size}`
    this.#usedSeen = this.#lastUsed
    return false
  }

  disableInterrupts(): void {
    if (this.#availFlags === NO_INTERRUPT) return
    this.#availFlags = NO_INTERRUPT
    // With the event index there is no way to say "none": an index that was just passed is the farthest off.
    if (this.#eventIndex) this.#memory.write16(this.#usedEvent, (this.#lastUsed - 1) & 0xffff)
    else this.#memory.write16(this.#driver + VIRTQ_AVAIL.fields.flags.offset, NO_INTERRUPT)
  }

  enableInterrupts(): boolean {
    this.#availFlags = 0
    if (this.#eventIndex) this.#memory.write16(this.#usedEvent, this.#lastUsed)
    else this.#memory.write16(this.#driver + VIRTQ_AVAIL.fields.flags.offset, 0)
    if (this.broken !== null) return false
    this.#usedSeen = this.#memory.read16(this.#device + VIRTQ_USED.fields.idx.offset)
    return this.#usedSeen !== this.#lastUsed
  }

  detachUnused(give: (token: Token, head: number) => void): void {
    for (let head = 0; head < this.size; head++) {
      if (this.#chains[head] === NOT_IN_FLIGHT) continue
      const token = this.#tokens[head] as Token
      this.#tokens[head] = undefined
      this.#chains[head] = NOT_IN_FLIGHT
      give(token, head)
    }
    this.broken ??= 'its requests were detached'
    this.#usedSeen = this.#lastUsed
  }
}
