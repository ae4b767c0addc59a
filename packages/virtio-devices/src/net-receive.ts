import type { DmaPort } from '@dmascope/memory'
import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { SERVE_HOLD, SERVE_KEEP, SERVE_WAIT } from './queue-pump.ts'
import { VIRTIO_NET_HDR_GSO_NONE, virtio_net_hdr } from './spec/net.ts'

const { gso_type, num_buffers } = virtio_net_hdr.fields

/** A chain that holds a part of a packet, before the packet is complete. */
interface Part {
  readonly head: number
  readonly written: number
}

/** What the way of frames counts. */
interface ReceiveCounters {
  received: number
  /** The backlog was full, no buffer was large enough, or the IOMMU refused the buffer. */
  dropped: number
}

/**
 * The way of frames into receive buffers (virtio 1.3 §5.1.6.4), with VIRTIO_NET_F_MRG_RXBUF over as many chains as a
 * frame takes. Its chains go onto the used ring only when the last of them is filled, and `num_buffers` is known.
 */
export class NetReceive {
  readonly #counters: ReceiveCounters
  readonly #backlog: number
  readonly #maxFrame: number
  readonly #frames: Uint8Array[] = []
  readonly #packet: Uint8Array
  readonly #view: DataView
  #headerBytes: number = virtio_net_hdr.size
  #mergeable = false
  /** Of the packet under way: its length with header, and how much of it is written. 0: none is under way. */
  #length = 0
  #done = 0
  readonly #parts: Part[] = []
  /** Bus addresses of the two bytes of `num_buffers` in the first chain: they may lie in two buffers. */
  readonly #countHi = new Uint32Array(2)
  readonly #countLo = new Uint32Array(2)

  constructor(backlog: number, maxFrame: number, counters: ReceiveCounters) {
    this.#counters = counters
    this.#backlog = backlog
    this.#maxFrame = maxFrame
    this.#packet = new Uint8Array(virtio_net_hdr.size + maxFrame)
    this.#view = new DataView(this.#packet.buffer)
  }

  start(headerBytes: number, mergeable: boolean): void {
    this.reset()
    this.#headerBytes = headerBytes
    this.#mergeable = mergeable
  }

  reset(): void {
    this.#frames.length = 0
    this.#abandon()
  }

  /** Frames that wait, with the one that is being written. */
  get waiting(): number {
    return this.#frames.length + (this.#length > 0 ? 1 : 0)
  }

  /** Takes a copy. False where it is dropped. */
  push(frame: Uint8Array): boolean {
    if (frame.length > this.#maxFrame || this.#frames.length >= this.#backlog) {
      this.#counters.dropped++
      return false
    }
    this.#frames.push(frame.slice())
    return true
  }

  /** As a `Serve` of a queue pump. A frame waits, and the chain has room for a header. */
  serve(queue: DeviceQueue, dma: DmaPort): number {
    while (this.#length === 0) {
      if (!this.#begin()) return SERVE_HOLD
      // Without merging a frame that does not fit is lost, and the buffer waits for one that does.
      if (!this.#mergeable && this.#length > queue.writableBytes) {
        this.#counters.dropped++
        this.#abandon()
      }
    }
    const count = Math.min(this.#length - this.#done, queue.writableBytes)
    const result = queue.write(0, this.#packet.subarray(this.#done, this.#done + count))
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result !== DMA_OK) return this.#lose(queue)
    if (this.#mergeable && this.#parts.length === 0) this.#locateCount(queue)
    this.#done += count
    if (this.#done < this.#length) {
      this.#parts.push({ head: queue.head, written: count })
      return SERVE_KEEP
    }
    return this.#finish(queue, dma, count)
  }

  /** Takes the next frame and puts its header before it. */
  #begin(): boolean {
    const frame = this.#frames.shift()
    if (frame === undefined) return false
    this.#packet.fill(0, 0, this.#headerBytes)
    gso_type.set(this.#view, 0, VIRTIO_NET_HDR_GSO_NONE)
    // One, for all that is known: right for every packet that fits its first buffer, and without merging.
    if (this.#headerBytes === virtio_net_hdr.size) num_buffers.set(this.#view, 0, 1)
    this.#packet.set(frame, this.#headerBytes)
    this.#length = this.#headerBytes + frame.length
    this.#done = 0
    return true
  }

  #finish(queue: DeviceQueue, dma: DmaPort, written: number): number {
    if (this.#parts.length > 0) {
      const count = this.#parts.length + 1
      const byte = new Uint8Array(1)
      for (let index = 0; index < 2; index++) {
        byte[0] = (count >>> (8 * index)) & 0xff
        const result = dma.write(this.#countHi[index]!, this.#countLo[index]!, byte)
        if (result === DMA_PENDING) {
          this.#done -= written
          return SERVE_WAIT
        }
        if (result !== DMA_OK) return this.#lose(queue)
      }
      for (const part of this.#parts) queue.complete(part.written, part.head)
    }
    this.#counters.received++
    this.#abandon()
    return written
  }

  /** The packet is lost; its buffers go back, the current one by what this answers. */
  #lose(queue: DeviceQueue): number {
    for (const part of this.#parts) queue.complete(0, part.head)
    this.#counters.dropped++
    this.#abandon()
    return 0
  }

  #abandon(): void {
    this.#parts.length = 0
    this.#length = 0
    this.#done = 0
  }

  #locateCount(queue: DeviceQueue): void {
    const { hi, lo, length, readableCount } = queue
    let index = readableCount
    let start = 0
    for (let byte = 0; byte < 2; byte++) {
      const at = num_buffers.offset + byte
      while (at >= start + length[index]!) start += length[index++]!
      const address = lo[index]! + (at - start)
      this.#countHi[byte] = address > 0xffff_ffff ? hi[index]! + 1 : hi[index]!
      this.#countLo[byte] = address >>> 0
    }
  }
}
