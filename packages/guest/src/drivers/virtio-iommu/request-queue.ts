import { VIRTIO_IOMMU_S_OK, virtio_iommu_req_tail } from '@dmascope/iommu/virtio-iommu/spec'
import type { VirtioDevice } from '../../virtio/virtio-device.ts'
import type { Request, RequestListener, Virtqueue } from '../../virtio/virtqueue.ts'

const PAGE = 4096
/** A request and its tail; all but PROBE fit. */
const SLOT_BYTES = 64
const TAIL_BYTES = virtio_iommu_req_tail.size
/** Where the device-writable part of a slot begins. */
const TAIL_AT = SLOT_BYTES - TAIL_BYTES
/** Linux leaves it zero where the device wrote nothing, and then says that communication failed. */
const NOT_WRITTEN = 0xff

const STATUS_NAMES = ['OK', 'IOERR', 'UNSUPP', 'DEVERR', 'INVAL', 'RANGE', 'NOENT', 'FAULT', 'NOMEM'] as const

/**
 * The request queue of a virtio IOMMU. Nobody is interrupted for it: requests are collected in the ring, and the driver
 * spins until they are answered, in batches where it can wait.
 */
export class RequestQueue implements RequestListener {
  readonly #device: VirtioDevice
  readonly #queue: Virtqueue
  readonly #freeSlots: number[] = []
  /** Memory for PROBE requests, which are longer; 0 until there is one. */
  #probePage = 0
  readonly #slotOf = new Map<Request, number>()
  /** Requests that the device has not given back. */
  #out = 0
  #failure: string | null = null

  constructor(device: VirtioDevice, queue: Virtqueue) {
    this.#device = device
    this.#queue = queue
    queue.listener = this
  }

  requestDone(request: Request): void {
    this.#out--
    const slot = this.#slotOf.get(request)
    if (slot !== undefined) this.#freeSlots.push(slot)
    this.#slotOf.delete(request)
  }

  /** Why the queue is of no more use; null while it is. */
  get failure(): string | null {
    return this.#failure
  }

  /**
   * Puts a request into the ring. The device is told by `sync`.
   *
   * @returns why not
   */
  add(readable: Uint8Array): string | null {
    const added = this.#add(readable)
    return typeof added === 'string' ? added : null
  }

  /** Sends a request and waits for its answer. Null where that is VIRTIO_IOMMU_S_OK, else what it is. */
  send(readable: Uint8Array): string | null {
    const added = this.#add(readable)
    if (typeof added === 'string') return added
    this.sync()
    return added.request.done
      ? this.#statusAt(added.slot + TAIL_AT, added.request)
      : (this.#failure ?? 'the request is not answered')
  }

  /**
   * A PROBE request, with room for properties before its tail.
   *
   * @returns the properties, or what the status is
   */
  probe(readable: Uint8Array, propertyBytes: number): Uint8Array | string {
    const { kernel } = this.#device
    if (propertyBytes > PAGE / 2) return `${propertyBytes} bytes of properties`
    if (this.#probePage === 0) this.#probePage = kernel.pages.allocate(1) ?? 0
    const page = this.#probePage
    if (page === 0) return 'no memory for a request'
    const at = page + PAGE / 2 - TAIL_BYTES
    kernel.bus.writeBytes(page, readable)
    kernel.bus.writeBytes(at, new Uint8Array(propertyBytes + TAIL_BYTES).fill(NOT_WRITTEN, propertyBytes))
    const request = this.#put(page, readable.length, at, propertyBytes + TAIL_BYTES)
    if (typeof request === 'string') return request
    this.sync()
    if (!request.done) return this.#failure ?? 'the request is not answered'
    const refused = this.#statusAt(at + propertyBytes, request)
    if (refused !== null) return refused
    const properties = new Uint8Array(propertyBytes)
    kernel.bus.readBytes(at, properties)
    return properties
  }

  /** Notifies the device, and lets it answer all that was put into the ring. */
  sync(): void {
    if (this.#failure !== null || this.#out === 0) return
    const { ring } = this.#queue
    this.#queue.kick()
    this.#device.kernel.vectors.spin(() => {
      this.#queue.collect()
      return this.#out === 0 || ring.broken !== null
    })
    if (ring.broken === null && this.#out === 0) return
    const status = this.#device.noteStatus().toString(16).padStart(2, '0')
    this.#failure = `${ring.broken ?? `${this.#out} requests are never answered`}; device status 0x${status}`
    this.#device.log(`request queue: ${this.#failure}`)
  }

  #add(readable: Uint8Array): { readonly request: Request; readonly slot: number } | string {
    const slot = this.#takeSlot()
    if (slot === null) return this.#failure ?? 'no memory for a request'
    const { bus } = this.#device.kernel
    bus.writeBytes(slot, readable)
    bus.write32(slot + TAIL_AT, NOT_WRITTEN)
    let request = this.#put(slot, readable.length, slot + TAIL_AT, TAIL_BYTES)
    if (typeof request === 'string' && this.#queue.ring.free === 0) {
      this.sync()
      request = this.#put(slot, readable.length, slot + TAIL_AT, TAIL_BYTES)
    }
    if (typeof request === 'string') {
      this.#freeSlots.push(slot)
      return request
    }
    this.#slotOf.set(request, slot)
    return { request, slot }
  }

  #put(readable: number, length: number, writable: number, room: number): Request | string {
    if (this.#failure !== null) return this.#failure
    const request = this.#queue.add([
      { cpu: readable, length, direction: 'to-device', purpose: 'IOMMU request' },
      { cpu: writable, length: room, direction: 'from-device', purpose: 'IOMMU answer' },
    ])
    if (typeof request !== 'string') this.#out++
    return request
  }

  #takeSlot(): number | null {
    if (this.#freeSlots.length === 0 && this.#slotOf.size >= this.#queue.ring.size) this.sync()
    if (this.#freeSlots.length === 0) {
      const page = this.#device.kernel.pages.allocate(1)
      if (page === null) return null
      for (let at = PAGE - SLOT_BYTES; at >= 0; at -= SLOT_BYTES) this.#freeSlots.push(page + at)
    }
    return this.#freeSlots.pop() ?? null
  }

  #statusAt(address: number, request: Request): string | null {
    const status = request.written === 0 ? NOT_WRITTEN : this.#device.kernel.bus.read8(address)
    if (status === VIRTIO_IOMMU_S_OK) return null
    const name = STATUS_NAMES[status]
    return status === NOT_WRITTEN
      ? 'the device does not know the request'
      : name === undefined
        ? `status ${status}`
        : `VIRTIO_IOMMU_S_${name}`
  }
}
