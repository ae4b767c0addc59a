import { DMA_OK, type DmaPort } from '@dmascope/memory'

/** Data addresses of format-1 CCWs, and 32-bit indirect addresses, have 31 bits. */
const LIMIT = 0x8000_0000
const SMALL_BLOCK = 2048
const LARGE_BLOCK = 4096

/** How a channel program's indirect addresses look, from its ORB. */
export interface IndirectFormat {
  /** 64 bits, instead of 32. */
  readonly wide: boolean
  /** Bytes that each names: 2048 or 4096. */
  readonly blockBytes: number
}

/** By the ORB's H and T (z/Architecture Principles of Operation, chapter 15). */
export const indirectFormat = (wide: boolean, small: boolean): IndirectFormat => ({
  wide,
  blockBytes: wide && !small ? LARGE_BLOCK : SMALL_BLOCK,
})

/**
 * The data area of one CCW: at its address, or in the blocks that a list of indirect addresses names. The channel reads
 * and writes it by absolute addresses, through the port of the device that it works for.
 */
export class ChannelData {
  readonly #dma: DmaPort
  readonly #word = new DataView(new ArrayBuffer(8))
  #address = 0
  #count = 0
  #indirect: IndirectFormat | null = null
  #done = 0

  constructor(dma: DmaPort) {
    this.#dma = dma
  }

  /** Turns to the data of another CCW. @param indirect - null for data at the address itself */
  begin(address: number, count: number, indirect: IndirectFormat | null): void {
    this.#address = address
    this.#count = count
    this.#indirect = indirect
    this.#done = 0
  }

  /** No address: a command without data. */
  get missing(): boolean {
    return this.#address === 0
  }

  /** Bytes that the CCW has room for. */
  get count(): number {
    return this.#count
  }

  /** Bytes that are left of it. */
  get residual(): number {
    return this.#count - this.#done
  }

  /** Goes on past bytes that nobody looks at. @returns false past the end */
  skip(length: number): boolean {
    if (length > this.residual) return false
    this.#done += length
    return true
  }

  /** Starts again at the first byte. */
  rewind(): void {
    this.#done = 0
  }

  /** @returns false where that is not in the area, or no memory */
  read(into: Uint8Array): boolean {
    return this.#each(into, (hi, lo, piece) => this.#dma.read(hi, lo, piece) === DMA_OK)
  }

  /** @returns false where that is not in the area, or no memory */
  write(from: Uint8Array): boolean {
    return this.#each(from, (hi, lo, piece) => this.#dma.write(hi, lo, piece) === DMA_OK)
  }

  #each(buffer: Uint8Array, move: (hi: number, lo: number, piece: Uint8Array) => boolean): boolean {
    if (buffer.length > this.residual) return false
    const indirect = this.#indirect
    if (indirect === null) {
      if (this.#address + this.#done + buffer.length > LIMIT) return false
      if (buffer.length > 0 && !move(0, this.#address + this.#done, buffer)) return false
      this.#done += buffer.length
      return true
    }
    for (let moved = 0; moved < buffer.length; ) {
      const length = this.#block(indirect, buffer.length - moved)
      if (length === 0) return false
      const [hi, lo] = [this.#word.getUint32(0), this.#word.getUint32(4)]
      if (!move(hi, lo, buffer.subarray(moved, moved + length))) return false
      moved += length
      this.#done += length
    }
    return true
  }

  /**
   * Where the next byte is, into `#word`. The first indirect address names the first byte, wherever in its block that is;
   * the others name whole blocks.
   *
   * @returns how many of `wanted` bytes are there in a row; 0 where the list does not say
   */
  #block({ wide, blockBytes }: IndirectFormat, wanted: number): number {
    if (!this.#fetch(0, wide)) return 0
    const before = this.#word.getUint32(4) % blockBytes
    const position = before + this.#done
    const index = Math.floor(position / blockBytes)
    const within = position % blockBytes
    if (index > 0) {
      if (!this.#fetch(index, wide) || this.#word.getUint32(4) % blockBytes !== 0) return 0
      this.#word.setUint32(4, this.#word.getUint32(4) + within)
    } else {
      this.#word.setUint32(4, this.#word.getUint32(4) - before + within)
    }
    return Math.min(wanted, blockBytes - within)
  }

  /** An entry of the list. @returns false where there is none, or none of 31 bits in a list of such */
  #fetch(index: number, wide: boolean): boolean {
    const size = wide ? 8 : 4
    const at = this.#address + index * size
    if (this.#address % size !== 0 || at + size > LIMIT) return false
    this.#word.setUint32(0, 0)
    const into = new Uint8Array(this.#word.buffer, 8 - size, size)
    return this.#dma.read(0, at, into) === DMA_OK && (wide || this.#word.getUint32(4) < LIMIT)
  }
}
