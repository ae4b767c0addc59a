import type { DmaPort, DmaResult } from '@dmascope/memory'
import { DMA_FAULT, DMA_PENDING } from '@dmascope/memory'
import type { FeatureBits, VirtioDevice, VirtioHost } from '@dmascope/virtio-pci'
import { splitRingLayout } from '@dmascope/virtqueue'
import { createFlatPort, type DeviceQueue, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, type DriverQueue, SplitDriverQueue } from '@dmascope/virtqueue/driver'

/** A piece of memory under test: where it lies, and its bytes, live. */
export interface Piece {
  readonly address: number
  readonly bytes: Uint8Array
}

/** A request given back: its token, and the used length. */
export interface Reaped {
  readonly token: number
  readonly length: number
}

export interface BenchOptions {
  /** Features beyond those of the device: bit 32 (VERSION_1) is the default. */
  readonly features?: FeatureBits
  /** Device features that the driver does not take. */
  readonly without?: FeatureBits
  readonly memory?: number
  /** Whether VIRTIO_F_EVENT_IDX was negotiated. Default false. */
  readonly eventIndex?: boolean
}

/**
 * A driver's side of a virtio device without a transport: rings in flat memory, buffers from a heap above them, and a
 * DMA port that can be told to refuse or to delay ranges of addresses.
 */
export class Bench {
  readonly memory: Uint8Array
  readonly queues: DriverQueue[] = []
  readonly interrupts: number[] = []
  configChanges = 0
  resetReason: string | null = null
  readonly device: VirtioDevice
  #heap: number
  readonly #refused: (readonly [number, number])[] = []
  #pendingAfter = -1
  readonly #deviceQueues: DeviceQueue[] = []
  readonly #negotiated: FeatureBits
  readonly #host: VirtioHost

  constructor(device: VirtioDevice, options: BenchOptions = {}) {
    const { features = { lo: 0, hi: 1 }, without = { lo: 0, hi: 0 } } = options
    this.device = device
    this.memory = new Uint8Array(options.memory ?? 1 << 20)
    const bus = createFlatBus(this.memory)
    const port = this.port()
    let at = 0
    for (const [index, size] of device.queueSizes.entries()) {
      const layout = splitRingLayout(size)
      const base = at
      const ring = { indirect: false, eventIndex: options.eventIndex ?? false }
      this.queues.push(
        new SplitDriverQueue(
          bus,
          { size, desc: base + layout.desc, driver: base + layout.driver, device: base + layout.device },
          ring,
        ),
      )
      this.#deviceQueues.push(
        new SplitDeviceQueue(
          port,
          {
            size,
            descHi: 0,
            descLo: base + layout.desc,
            driverHi: 0,
            driverLo: base + layout.driver,
            deviceHi: 0,
            deviceLo: base + layout.device,
          },
          ring,
        ),
      )
      this.interrupts[index] = 0
      at = Math.ceil((base + layout.bytes) / 4096) * 4096
    }
    this.#heap = at
    this.#negotiated = {
      lo: ((device.features.lo & ~without.lo) | features.lo) >>> 0,
      hi: ((device.features.hi & ~without.hi) | features.hi) >>> 0,
    }
    this.#host = {
      dma: port,
      interrupt: (queue) => {
        this.interrupts[queue]!++
      },
      configChanged: () => {
        this.configChanges++
      },
      needsReset: (reason) => {
        this.resetReason = reason
      },
    }
    device.activate(this.#deviceQueues, this.#negotiated, this.#host)
  }

  /** Activates the device again while it is active, as a transport does that replaced a queue: here, none. */
  activateAgain(): void {
    this.device.activate(this.#deviceQueues, this.#negotiated, this.#host)
  }

  /** Memory at a page of its own, filled with zeroes or a copy of `from`. */
  piece(from: number | Uint8Array): Piece {
    const length = typeof from === 'number' ? from : from.length
    const address = this.#heap
    this.#heap = Math.ceil((address + length) / 4096) * 4096
    if (this.#heap > this.memory.length) throw new RangeError('the bench has too little memory')
    const bytes = this.memory.subarray(address, address + length)
    bytes.fill(0)
    if (typeof from !== 'number') bytes.set(from)
    return { address, bytes }
  }

  /** From now on DMA to this piece is refused, as by an IOMMU. */
  refuse(piece: Piece): void {
    this.#refused.push([piece.address, piece.address + piece.bytes.length])
  }

  /** After `count` more transfers of data one is not there yet, and has to be asked for again. */
  delayAfter(count: number): void {
    this.#pendingAfter = count
  }

  /** Adds a request; `run` follows. Answers whether the device wanted to be notified, and was. */
  add(queue: number, readable: readonly Piece[], writable: readonly Piece[], token = 0): boolean {
    const list = new BufferList(readable.length + writable.length)
    for (const piece of readable) list.readable(0, piece.address, piece.bytes.length)
    for (const piece of writable) list.writable(0, piece.address, piece.bytes.length)
    if (this.queues[queue]!.add(list, token) < 0) throw new RangeError(`queue ${queue} is full`)
    // Only where the device asked for it: one that forgot to ask would never see the request.
    const wanted = this.queues[queue]!.publish()
    if (wanted) this.device.notify(queue)
    return wanted
  }

  /** Chains that the device took and did not give back. */
  held(queue: number): number {
    return this.#deviceQueues[queue]!.inFlight
  }

  /** Lets the device work until it has nothing to do; a device that never comes to rest throws. */
  run(budget = 64): 'idle' | 'waiting' {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const state = this.device.work(budget)
      if (state !== 'more') return state
    }
    throw new Error('the device does not come to rest')
  }

  reap(queue: number): Reaped[] {
    const driver = this.queues[queue]!
    const out: Reaped[] = []
    while (driver.reap()) out.push({ token: driver.reapedToken!, length: driver.reapedLength })
    return out
  }

  /** A request from end to end: the used length, or null where it did not come back. */
  request(queue: number, readable: readonly Piece[], writable: readonly Piece[]): number | null {
    this.add(queue, readable, writable)
    this.run()
    const [reaped] = this.reap(queue)
    return reaped?.length ?? null
  }

  /** The device's port: flat memory, with the refusals and delays that were asked for. */
  port(): DmaPort {
    const flat = createFlatPort(this.memory)
    const fate = (lo: number, length: number): DmaResult => {
      if (this.#refused.some(([start, end]) => lo < end && lo + length > start)) return DMA_FAULT
      return this.#pendingAfter-- === 0 ? DMA_PENDING : 0
    }
    return {
      read: (hi, lo, into) => fate(lo, into.length) || flat.read(hi, lo, into),
      write: (hi, lo, from) => fate(lo, from.length) || flat.write(hi, lo, from),
      view: (hi, lo, length, access) => flat.view(hi, lo, length, access),
      isCurrent: (view) => flat.isCurrent(view),
      account: () => {},
    }
  }
}

/** Little-endian 32-bit words as bytes. */
export const words = (...values: number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true)
  return new Uint8Array(view.buffer)
}

/** Bytes that differ from place to place and from `seed` to seed. */
export const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >>> 8) * 7 + seed * 101) & 0xff)

export const FUZZ_RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
