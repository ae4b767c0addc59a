import type { Access, DmaPort, DmaResult, RingView } from '@dmascope/memory'
import { DMA_DISABLED, DMA_OK } from '@dmascope/memory'

/** Batches to wait before a part that had no view is asked for again. */
const RETRY_BATCHES = 16

/** Typed arrays have the byte order of the host, and rings are little-endian: elsewhere there are no views. */
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** A view's bytes as 32-bit words; null where they do not lie on a word's boundary in the host's memory. */
export const wordsOf = ({ bytes }: RingView): Uint32Array | null =>
  LITTLE_ENDIAN && bytes.byteOffset % 4 === 0
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2)
    : null

/** Whether `halves` are these very bytes: a view that is asked for again mostly lies where the last one lay. */
const isSame = (bytes: Uint8Array, halves: Uint16Array | null): boolean =>
  halves !== null &&
  halves.buffer === bytes.buffer &&
  halves.byteOffset === bytes.byteOffset &&
  halves.length === bytes.length >>> 1

/** Bytes on their way through a port, and parts of them. */
class Scratch {
  readonly all = new Uint8Array(16)
  readonly two = this.all.subarray(0, 2)
  readonly six = this.all.subarray(0, 6)
  readonly eight = this.all.subarray(0, 8)
  readonly view = new DataView(this.all.buffer)
  readonly words = new Uint32Array(4)
}

const halvesOf = ({ bytes }: RingView): Uint16Array | null =>
  LITTLE_ENDIAN && bytes.byteOffset % 2 === 0
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 1)
    : null

/**
 * One part of a ring in the device's bus address space: through a view where the port gives one, else an access at a
 * time. A read that fails delivers zeros and a write that fails is dropped, as with QEMU's rings; `result` tells how
 * the last access through the port ended.
 *
 * A view is used as typed arrays, which cost half of what a DataView costs, and so only where it is aligned as virtio
 * demands of rings; a ring elsewhere is served through the port.
 */
export class RingPart {
  /** The part's 16-bit and 32-bit words in this batch; null where every access goes through the port. */
  halves: Uint16Array | null = null
  words: Uint32Array | null = null
  result: DmaResult = DMA_OK

  readonly #port: DmaPort
  #hi: number
  #lo: number
  readonly #length: number
  readonly #access: Access
  readonly #alignment: 2 | 4
  /** Made when it is first needed: most parts have a view all their life. */
  #scratch: Scratch | null = null
  #view: RingView | null = null
  #wait = 0

  /** @param alignment - 4 where words are needed, 2 where 16-bit ones will do */
  constructor(port: DmaPort, hi: number, lo: number, length: number, access: Access, alignment: 2 | 4) {
    this.#port = port
    this.#hi = hi >>> 0
    this.#lo = lo >>> 0
    this.#length = length
    this.#access = access
    this.#alignment = alignment
  }

  /** Makes `halves` and `words` good for a batch of work. */
  refresh(): void {
    if (this.#view !== null) {
      if (this.#port.isCurrent(this.#view)) return
      this.#wait = 0
    }
    if (this.#wait > 0) {
      this.#wait--
      return
    }
    const view = this.#port.view(this.#hi, this.#lo, this.#length, this.#access)
    this.#view = view
    if (view === null || !isSame(view.bytes, this.halves)) {
      this.halves = view === null ? null : halvesOf(view)
      this.words = view === null || this.#alignment < 4 ? null : wordsOf(view)
    }
    this.result = DMA_OK
    if (this.halves === null || (this.words === null && this.#alignment === 4)) {
      this.#view = null
      this.halves = null
      this.words = null
      this.#wait = RETRY_BATCHES
    }
  }

  /** Whether there is a view that may still be used. */
  get hasView(): boolean {
    return this.#view !== null && this.#port.isCurrent(this.#view)
  }

  /** Gives the view up for good. */
  stop(): void {
    this.#view = null
    this.halves = null
    this.words = null
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

  /** @param offset - in bytes, even */
  read16(offset: number): number {
    if (this.halves !== null) return this.halves[offset >>> 1]!
    const scratch = this.#ownScratch()
    this.#fetch(offset, scratch.two)
    return scratch.view.getUint16(0, true)
  }

  /** Fetches 16 bytes through the port, as four words; they stay good until the next call. */
  fetch128(offset: number): Uint32Array {
    const { all, view, words } = this.#ownScratch()
    this.#fetch(offset, all)
    for (let index = 0; index < 4; index++) words[index] = view.getUint32(index * 4, true)
    return words
  }

  write16(offset: number, value: number): void {
    if (this.halves !== null) {
      this.halves[offset >>> 1] = value
      return
    }
    const scratch = this.#ownScratch()
    scratch.view.setUint16(0, value, true)
    this.#store(offset, scratch.two)
  }

  /** Writes a word and half of one behind it, at an offset that is a multiple of 4. */
  write48(offset: number, word: number, half: number): void {
    if (this.words !== null) {
      this.words[offset >>> 2] = word
      this.halves![(offset >>> 1) + 2] = half
      return
    }
    const scratch = this.#ownScratch()
    scratch.view.setUint32(0, word, true)
    scratch.view.setUint16(4, half, true)
    this.#store(offset, scratch.six)
  }

  /** Writes two words, at an offset that is a multiple of 4. */
  write64(offset: number, first: number, second: number): void {
    if (this.words !== null) {
      this.words[offset >>> 2] = first
      this.words[(offset >>> 2) + 1] = second
      return
    }
    const scratch = this.#ownScratch()
    scratch.view.setUint32(0, first, true)
    scratch.view.setUint32(4, second, true)
    this.#store(offset, scratch.eight)
  }

  #ownScratch(): Scratch {
    this.#scratch ??= new Scratch()
    return this.#scratch
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
