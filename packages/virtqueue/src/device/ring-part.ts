import type { Access, DmaPort, DmaResult, RingView } from '@dmascope/memory'
import { DMA_DISABLED, DMA_OK } from '@dmascope/memory'

/** Batches to wait before a part that had no view is asked for again. */
const RETRY_BATCHES = 16

/**
 * One part of a ring in the device's bus address space: through a view where the port gives one, else an access at a
 * time. A read that fails delivers zeros and a write that fails is dropped, as with QEMU's rings; `result` tells how
 * the last access through the port ended.
 */
export class RingPart {
  /** The window to use in this batch; null where every access goes through the port. */
  data: DataView | null = null
  result: DmaResult = DMA_OK

  readonly #port: DmaPort
  #hi: number
  #lo: number
  readonly #length: number
  readonly #access: Access
  readonly #buffer = new Uint8Array(16)
  readonly #words = new DataView(this.#buffer.buffer)
  readonly #two = this.#buffer.subarray(0, 2)
  readonly #eight = this.#buffer.subarray(0, 8)
  #view: RingView | null = null
  #wait = 0

  constructor(port: DmaPort, hi: number, lo: number, length: number, access: Access) {
    this.#port = port
    this.#hi = hi >>> 0
    this.#lo = lo >>> 0
    this.#length = length
    this.#access = access
  }

  /** Makes `data` good for a batch of work. */
  refresh(): void {
    if (this.#view !== null) {
      if (this.#port.isCurrent(this.#view)) return
      this.#wait = 0
    }
    if (this.#wait > 0) {
      this.#wait--
      return
    }
    this.#view = this.#port.view(this.#hi, this.#lo, this.#length, this.#access)
    this.data = this.#view === null ? null : this.#view.data
    if (this.#view === null) this.#wait = RETRY_BATCHES
  }

  /** Whether `data` may still be used; true where there is none. */
  isCurrent(): boolean {
    return this.#view === null || this.#port.isCurrent(this.#view)
  }

  /** Whether the last access was not issued, or waits for remote memory: nothing was learnt, so try again later. */
  get deferred(): boolean {
    return this.result >= DMA_DISABLED
  }

  /** Tells the ledger what went through the view. What went through the port it has seen. */
  account(reads: number, writes: number, bytes: number): void {
    if (this.#view !== null && bytes > 0) this.#port.account(this.#view, reads, writes, bytes)
  }

  /** For a part without a view: where it lies from now on. */
  moveTo(hi: number, lo: number): void {
    this.#hi = hi
    this.#lo = lo
  }

  read16(offset: number): number {
    if (this.data !== null) return this.data.getUint16(offset, true)
    this.#fetch(offset, this.#two)
    return this.#words.getUint16(0, true)
  }

  /** Fetches 16 bytes; they stay good until the next access. */
  read128(offset: number): DataView {
    this.#fetch(offset, this.#buffer)
    return this.#words
  }

  write16(offset: number, value: number): void {
    if (this.data !== null) {
      this.data.setUint16(offset, value, true)
      return
    }
    this.#words.setUint16(0, value, true)
    this.#store(offset, this.#two)
  }

  /** Writes two words, the first at `offset`. */
  write32x2(offset: number, first: number, second: number): void {
    if (this.data !== null) {
      this.data.setUint32(offset, first, true)
      this.data.setUint32(offset + 4, second, true)
      return
    }
    this.#words.setUint32(0, first, true)
    this.#words.setUint32(4, second, true)
    this.#store(offset, this.#eight)
  }

  #fetch(offset: number, into: Uint8Array): void {
    const lo = this.#lo + offset
    this.result = this.#port.read(lo > 0xffff_ffff ? (this.#hi + 1) >>> 0 : this.#hi, lo >>> 0, into)
    if (this.result !== DMA_OK) into.fill(0)
  }

  #store(offset: number, from: Uint8Array): void {
    const lo = this.#lo + offset
    this.result = this.#port.write(lo > 0xffff_ffff ? (this.#hi + 1) >>> 0 : this.#hi, lo >>> 0, from)
  }
}
