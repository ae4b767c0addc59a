import { CHUNK_BYTES, type GuestRam } from '@dmascope/memory'

const PAGES_LOG2 = 9
const LINES = 64
const NONE = -1

/**
 * Where the pages that hold tables lie in guest RAM's store, by page number, in 32-bit arithmetic throughout. A chunk
 * that is backed stays where it is for as long as the RAM lives, so its place is remembered; one that nobody has
 * written yet is asked for each time, since writing gives it a place of its own.
 */
export class TableMemory {
  readonly #ram: GuestRam
  readonly #chunks = new Int32Array(LINES).fill(NONE)
  readonly #places = new Int32Array(LINES)

  constructor(ram: GuestRam) {
    this.#ram = ram
  }

  /** The store, to be read at the offsets below; ask for it again after anything was written. */
  get view(): DataView {
    return this.#ram.view
  }

  /**
   * Offset of an 8-byte entry of a table page, or -1 where there is no RAM.
   *
   * @param page - page number, as an unsigned 31-bit integer; memory ends long before
   */
  offsetOf(page: number, index: number): number {
    const chunk = page >>> PAGES_LOG2
    const line = chunk & (LINES - 1)
    if (this.#chunks[line] === chunk) {
      return ((this.#places[line]! | (page & 511)) << 12) | (index << 3)
    }
    return this.#ask(page, index, chunk, line)
  }

  #ask(page: number, index: number, chunk: number, line: number): number {
    const ram = this.#ram
    const first = ram.offsetToRead(chunk * CHUNK_BYTES)
    const last = ram.offsetToRead((chunk + 1) * CHUNK_BYTES - 8)
    // Chunk 0 of the store stands for whatever is not backed. Offsets are kept below 2 GiB, for the shift above.
    if (first >= CHUNK_BYTES && last === first + CHUNK_BYTES - 8 && last < 0x8000_0000) {
      this.#chunks[line] = chunk
      this.#places[line] = first / 4096
    }
    return ram.offsetToRead(page * 4096 + index * 8)
  }
}
