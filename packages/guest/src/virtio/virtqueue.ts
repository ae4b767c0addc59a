import type { DmaMapping, PageAllocator } from '@dmascope/dma'
import {
  BufferList,
  createDriverQueue,
  type DriverQueue,
  type QueueFeatures,
  type RingMemory,
} from '@dmascope/virtqueue/driver'
import { VIRTQ_DESC } from '@dmascope/virtqueue/spec'
import { ANYWHERE } from '../early/page-allocator.ts'
import type { DmaPath } from './dma-path.ts'
import type { RingPlace } from './place-ring.ts'
import type { VirtioTransport } from './transport.ts'

/** A piece of memory for one request. Readable ones come first (virtio 1.3 §2.7.4.2). */
export interface Segment {
  /** Guest-physical address. */
  readonly cpu: number
  readonly length: number
  readonly direction: 'to-device' | 'from-device'
  /** For the report. */
  readonly purpose: string
}

/** A request on its way. */
export interface Request {
  readonly segments: readonly Segment[]
  readonly mappings: readonly DmaMapping[]
  readonly table: IndirectSlot | null
  /** The device has finished it, and an interrupt has told. */
  done: boolean
  /** Bytes that the device says it wrote. */
  written: number
}

/**
 * Who wants to know of requests that have come back. An object, and no function: V8 keeps a function that stands in a
 * field of a class, and with it the machine that it can see, until a full garbage collection.
 */
export interface RequestListener {
  requestDone(request: Request): void
}

/** Room for one indirect table, reused. */
interface IndirectSlot {
  readonly cpu: number
  mapping: DmaMapping | null
}

const SLOT_DESCRIPTORS = 32
const SLOT_BYTES = SLOT_DESCRIPTORS * VIRTQ_DESC.size
const PAGE = 4096

/** A virtqueue as a driver uses it: the ring, the mappings of what is in it, and the way to notify the device. */
export class Virtqueue {
  readonly index: number
  readonly name: string
  readonly ring: DriverQueue<Request>
  /** The ring's own memory. */
  readonly pieces: RingPlace['pieces']
  /** Is told of each request that has come back, from the interrupt. */
  listener: RequestListener | null = null
  readonly #dma: DmaPath
  readonly #pages: PageAllocator
  readonly #transport: VirtioTransport
  readonly #indirect: boolean
  readonly #buffers = new BufferList(SLOT_DESCRIPTORS)
  readonly #slots: IndirectSlot[] = []
  readonly #note: (segment: Segment, mapping: DmaMapping) => void
  readonly #noted = new Set<string>()

  /**
   * @param ring - where it lies, in zeroed memory
   * @param note - is told the first mapping for each purpose
   */
  constructor(options: {
    readonly index: number
    readonly name: string
    readonly ring: RingPlace
    readonly bus: RingMemory
    readonly dma: DmaPath
    readonly pages: PageAllocator
    readonly transport: VirtioTransport
    readonly features: QueueFeatures
    readonly note: (segment: Segment, mapping: DmaMapping) => void
  }) {
    const { index, name, ring, bus, dma, pages, transport, features } = options
    this.#note = options.note
    this.index = index
    this.name = name
    this.pieces = ring.pieces
    this.#dma = dma
    this.#pages = pages
    this.#transport = transport
    this.#indirect = features.indirect
    this.ring = createDriverQueue<Request>(bus, ring.cpu, features)
  }

  /** What there was no bus address for, where that kept the last request out of the ring. */
  unmapped: string | null = null

  /**
   * Maps a request's memory and puts it into the ring; `kick` makes the device see it.
   *
   * @returns why not, where the ring is full or broken, or nothing could be mapped
   * @throws RangeError for more than 32 segments
   */
  add(segments: readonly Segment[]): Request | string {
    this.unmapped = null
    const mappings: DmaMapping[] = []
    const buffers = this.#buffers.clear()
    for (const segment of segments) {
      const { cpu, length, direction, purpose } = segment
      const mapping = this.#dma.map(cpu, length, direction, purpose)
      if (mapping === null) {
        this.#release(mappings, null)
        this.unmapped = purpose
        return `${purpose}: no bus address for it`
      }
      mappings.push(mapping)
      if (!this.#noted.has(purpose)) {
        this.#noted.add(purpose)
        this.#note(segment, mapping)
      }
      if (direction === 'to-device') buffers.readable(mapping.hi, mapping.lo, length)
      else buffers.writable(mapping.hi, mapping.lo, length)
    }
    const table = this.#indirect && segments.length > 1 ? this.#takeSlot(segments.length) : null
    const request: Request = { segments, mappings, table, done: false, written: 0 }
    const mapped = table?.mapping
    const head = this.ring.add(
      buffers,
      request,
      mapped ? { cpu: mapped.cpu, hi: mapped.hi, lo: mapped.lo, capacity: SLOT_DESCRIPTORS } : null,
    )
    if (head >= 0) {
      // Linux fills the table before it maps it, which comes to the same.
      if (mapped) this.#dma.syncForDevice(mapped)
      return request
    }
    this.#release(mappings, table)
    return this.ring.broken ?? `${this.name} is full`
  }

  /** Shows the device what was added, and notifies it where it asked for that. */
  kick(): void {
    if (this.ring.publish()) this.#transport.notify(this.index)
  }

  /** What the queue's interrupt does: takes back all that is finished. Answers whether anything was. */
  interrupt(): boolean {
    const { ring } = this
    let any = false
    do {
      ring.disableInterrupts()
      any = this.collect() || any
    } while (ring.enableInterrupts())
    return any
  }

  /** Takes back what is finished, without touching interrupts: for a queue that has none. */
  collect(): boolean {
    const { ring } = this
    let any = false
    while (ring.reap()) {
      any = true
      const request = ring.reapedToken
      if (request === undefined) continue
      request.written = ring.reapedLength
      this.#release(request.mappings, request.table)
      request.done = true
      this.listener?.requestDone(request)
    }
    return any
  }

  #takeSlot(count: number): IndirectSlot | null {
    let slot = this.#slots.find(({ mapping }) => mapping === null)
    if (slot === undefined) {
      const page = this.#pages.allocate(1, ANYWHERE)
      if (page === null) return null
      for (let at = 0; at < PAGE; at += SLOT_BYTES) this.#slots.push({ cpu: page + at, mapping: null })
      slot = this.#slots.at(-PAGE / SLOT_BYTES)!
    }
    // Without a table the request goes into the ring directly, as under Linux.
    slot.mapping = this.#dma.map(slot.cpu, count * VIRTQ_DESC.size, 'to-device', `${this.name} indirect table`)
    return slot.mapping === null ? null : slot
  }

  #release(mappings: readonly DmaMapping[], table: IndirectSlot | null): void {
    for (const mapping of mappings) this.#dma.unmap(mapping)
    if (table?.mapping) {
      this.#dma.unmap(table.mapping)
      table.mapping = null
    }
  }
}
