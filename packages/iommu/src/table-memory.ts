import { CHUNK_BYTES, type GuestRam } from '@dmascope/memory'

/** Pages of 4 KiB in a chunk of guest RAM. */
export const CHUNK_PAGES_LOG2 = 9
const LINES = 64
const NONE = -1

/**
 * Where the pages that hold tables lie in guest RAM's store, by page number, in 32-bit arithmetic throughout. A chunk
 * that is backed stays where it is for as long as the RAM lives, so its place is remembered; one that nobody has
 * written yet is asked for each time, since writing gives it a place of its own.
 */
export class TableMemory {
  readonly #ram: GuestRam
  /** Of each line the chunk and one, and its place; 0 where there is none. */
  readonly #lines = new Int32Array(2 * LINES)

  constructor(ram: GuestRam) {
    this.#ram = ram
  }

  /** The store, to be read at the offsets below; ask for it again after anything was written. */
  get view(): DataView {
    return this.#ram.view
  }

  /**
   * Page number of a chunk's first page in the store, or -1 for a chunk whose entries must be asked for one by one.
   *
   * @param chunk - page number in guest RAM, shifted right by CHUNK_PAGES_LOG2
   */
  placeOf(chunk: number): number {
    const line = (chunk & (LINES - 1)) << 1
    return this.#lines[line] === chunk + 1 ? this.#lines[line + 1]! : this.#learn(chunk, line)
  }

  /** Offset of an 8-byte entry of a table page, or -1 where there is no RAM: the slow way. */
  offsetOf(page: number, index: number): number {
    return this.#ram.offsetToRead(page * 4096 + index * 8)
  }

  #learn(chunk: number, line: number): number {
    const ram = this.#ram
    const first = ram.offsetToRead(chunk * CHUNK_BYTES)
    const last = ram.offsetToRead((chunk + 1) * CHUNK_BYTES - 8)
    // Chunk 0 of the store stands for whatever is not backed. Offsets are kept below 2 GiB, for 32-bit arithmetic.
    if (first < CHUNK_BYTES || last !== first + CHUNK_BYTES - 8 || last >= 0x8000_0000) return NONE
    const place = first / 4096
    this.#lines[line] = chunk + 1
    this.#lines[line + 1] = place
    return place
  }
}
