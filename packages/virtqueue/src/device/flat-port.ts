import type { DmaPort, DmaResult, RingView } from '@dmascope/memory'
import { DMA_DECODE_ERROR, DMA_OK } from '@dmascope/memory'

class FlatView implements RingView {
  readonly data: DataView
  readonly bytes: Uint8Array
  readonly epoch = 0

  constructor(from: Uint8Array, start: number, length: number) {
    this.data = new DataView(from.buffer, from.byteOffset + start, length)
    this.bytes = new Uint8Array(from.buffer, from.byteOffset + start, length)
  }
}

/** Where a source of up to this many bytes is copied byte by byte: cheaper than making a view of it. */
const SHORT_COPY = 32

class FlatPort implements DmaPort {
  readonly #bytes: Uint8Array
  readonly #size: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#size = bytes.length
  }

  read(hi: number, lo: number, into: Uint8Array): DmaResult {
    const bytes = this.#bytes
    const { length } = into
    if (hi !== 0 || lo + length > this.#size) return this.#readPast(hi, lo, into)
    if (length > SHORT_COPY) into.set(new Uint8Array(bytes.buffer, bytes.byteOffset + lo, length))
    else for (let index = 0; index < length; index++) into[index] = bytes[lo + index]!
    return DMA_OK
  }

  /** Moves what lies before the end, as a transfer that crosses into nothing does. */
  #readPast(hi: number, lo: number, into: Uint8Array): DmaResult {
    const inside = hi === 0 ? Math.max(0, this.#size - lo) : 0
    if (inside > 0) into.set(this.#bytes.subarray(lo, lo + inside))
    into.fill(0xff, inside)
    return DMA_DECODE_ERROR
  }

  write(hi: number, lo: number, from: Uint8Array): DmaResult {
    const { length } = from
    if (hi !== 0 || lo + length > this.#size) return this.#writePast(hi, lo, from)
    const bytes = this.#bytes
    if (length > SHORT_COPY) bytes.set(from, lo)
    else for (let index = 0; index < length; index++) bytes[lo + index] = from[index]!
    return DMA_OK
  }

  #writePast(hi: number, lo: number, from: Uint8Array): DmaResult {
    const inside = hi === 0 ? Math.max(0, this.#size - lo) : 0
    if (inside > 0) this.#bytes.set(from.subarray(0, inside), lo)
    return DMA_DECODE_ERROR
  }

  view(hi: number, lo: number, length: number): RingView | null {
    if (hi !== 0 || lo + length > this.#size) return null
    return new FlatView(this.#bytes, lo, length)
  }

  isCurrent(): boolean {
    return true
  }

  account(): void {}
}

/**
 * A DmaPort onto these bytes, bus address 0 first, without an IOMMU or a ledger: for tests and benchmarks of device
 * models. Beyond the end nothing answers (`DMA_DECODE_ERROR`). `createFlatBus` of `@dmascope/virtqueue/driver` is the
 * CPU's side of it.
 */
export const createFlatPort = (bytes: Uint8Array): DmaPort => new FlatPort(bytes)
