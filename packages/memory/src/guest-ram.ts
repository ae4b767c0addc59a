import { DmascopeError } from '@dmascope/layout'
import { type Arena, BLOCK_SHIFT, CHUNK_BYTES, CHUNK_SHIFT, returnArena, takeArena } from './arena.ts'

/** A range of RAM in guest-physical addresses, in bytes; both multiples of 4096. */
export interface RamRange {
  readonly base: number
  readonly size: number
}

const NOT_RAM = -1
/** A chunk that RAM covers only in part: its bounds are asked for each access. */
const PARTIAL = -2
const UNTOUCHED = 0
const MASK = CHUNK_BYTES - 1
/** Up to so many bytes, a loop copies faster than it takes to make a part of the store to copy. */
const FEW = 48
const LARGEST_END = 2 ** 42

/**
 * A guest's RAM. As much as is declared, but backed only where it is written: a chunk of 2 MiB at a time.
 *
 * `view` and `bytes` are the whole backing store; `offsetToRead` and `offsetToWrite` say where in it a guest-physical
 * address lies. Re-read both properties after `generation` changed: the store has then moved.
 */
export class GuestRam {
  readonly ranges: readonly RamRange[]
  /** Bytes declared. */
  readonly size: number
  view: DataView
  bytes: Uint8Array
  generation = 0
  readonly #arena: Arena
  /** The arena's marks of what was written. */
  #written: Uint8Array
  /** Per chunk of guest-physical space: arena chunk, or one of the marks above. */
  readonly #chunks: Int32Array
  readonly #partial: { chunk: number; base: number; end: number; backing: number }[] = []

  /** @throws DmascopeError MEMORY_RANGE where ranges overlap, are not whole pages, or end above 4 TiB */
  constructor(ranges: readonly RamRange[]) {
    this.ranges = [...ranges].sort((a, b) => a.base - b.base)
    let end = 0
    for (const range of this.ranges) {
      const last = range.base + range.size
      if (
        range.base % 4096 !== 0 ||
        range.size % 4096 !== 0 ||
        range.size <= 0 ||
        range.base < end ||
        last > LARGEST_END
      ) {
        throw new DmascopeError(
          'MEMORY_RANGE',
          `RAM at 0x${range.base.toString(16)} of 0x${range.size.toString(16)} bytes: ranges are whole 4 KiB pages, do not overlap, and end at 4 TiB at most`,
          { ...range },
        )
      }
      end = last
    }
    this.size = this.ranges.reduce((sum, range) => sum + range.size, 0)
    this.#chunks = new Int32Array(Math.ceil(end / CHUNK_BYTES)).fill(NOT_RAM)
    for (const { base, size } of this.ranges) this.#cover(base, base + size)
    this.#arena = takeArena()
    this.view = this.#arena.view
    this.bytes = this.#arena.bytes
    this.#written = this.#arena.written
  }

  #cover(base: number, end: number): void {
    const first = Math.floor(base / CHUNK_BYTES)
    const last = Math.ceil(end / CHUNK_BYTES)
    for (let chunk = first; chunk < last; chunk++) {
      const from = Math.max(base, chunk * CHUNK_BYTES)
      const to = Math.min(end, (chunk + 1) * CHUNK_BYTES)
      if (to - from === CHUNK_BYTES) this.#chunks[chunk] = UNTOUCHED
      else {
        this.#chunks[chunk] = PARTIAL
        this.#partial.push({ chunk, base: from, end: to, backing: UNTOUCHED })
      }
    }
  }

  /** Where `address` lies in `view`, good to the end of its chunk (or of RAM); -1 where there is no RAM. */
  offsetToRead(address: number): number {
    const chunk = address < 0x1_0000_0000 ? address >>> CHUNK_SHIFT : Math.floor(address / CHUNK_BYTES)
    const backing = this.#chunks[chunk]
    if (backing === undefined || backing < 0) return backing === PARTIAL ? this.#partialOffset(address, false) : -1
    return backing * CHUNK_BYTES + (address & MASK)
  }

  /**
   * The same for a write of `length` bytes, no more of which may be written than that: backs the chunk first, which may
   * move the store. All must lie in one run (see `runLength`).
   */
  offsetToWrite(address: number, length: number): number {
    const offset = this.#backedOffset(address)
    if (offset < 0) return offset
    const last = (offset + length - 1) >>> BLOCK_SHIFT
    for (let block = offset >>> BLOCK_SHIFT; block <= last; block++) this.#written[block] = 1
    return offset
  }

  #backedOffset(address: number): number {
    const chunk = address < 0x1_0000_0000 ? address >>> CHUNK_SHIFT : Math.floor(address / CHUNK_BYTES)
    let backing = this.#chunks[chunk]
    if (backing === undefined || backing < 0) return backing === PARTIAL ? this.#partialOffset(address, true) : -1
    if (backing === UNTOUCHED) {
      backing = this.#take()
      this.#chunks[chunk] = backing
    }
    return backing * CHUNK_BYTES + (address & MASK)
  }

  /** Whether anything was ever written near `address`: what nobody has written is zero, and takes no store. */
  isBacked(address: number): boolean {
    return this.offsetToRead(address) >= CHUNK_BYTES
  }

  #take(): number {
    const chunk = this.#arena.takeChunk()
    if (this.#arena.bytes !== this.bytes) {
      this.bytes = this.#arena.bytes
      this.view = this.#arena.view
      this.#written = this.#arena.written
      this.generation++
    }
    return chunk
  }

  #partialOffset(address: number, write: boolean): number {
    for (const part of this.#partial) {
      if (address < part.base || address >= part.end) continue
      if (write && part.backing === UNTOUCHED) {
        part.backing = this.#take()
        // Two ranges may share a chunk: they share its backing too.
        for (const other of this.#partial) if (other.chunk === part.chunk) other.backing = part.backing
      }
      return part.backing * CHUNK_BYTES + (address & MASK)
    }
    return -1
  }

  /** Bytes from `address` on that lie one after the other in the store and are RAM; 0 where there is none. */
  runLength(address: number): number {
    const chunk = Math.floor(address / CHUNK_BYTES)
    const backing = this.#chunks[chunk]
    if (backing === undefined || backing === NOT_RAM) return 0
    if (backing === PARTIAL) {
      const part = this.#partial.find((one) => address >= one.base && address < one.end)
      return part === undefined ? 0 : part.end - address
    }
    return (chunk + 1) * CHUNK_BYTES - address
  }

  /** Whether all of [address, address + length) is RAM. */
  covers(address: number, length: number): boolean {
    for (const { base, size } of this.ranges) if (address >= base && address + length <= base + size) return true
    return false
  }

  /** An aligned word of RAM; all ones where there is none. */
  read32(address: number): number {
    const offset = this.offsetToRead(address)
    return offset < 0 ? 0xffff_ffff : this.view.getUint32(offset, true)
  }

  /** Writes an aligned word of RAM; dropped where there is none. */
  write32(address: number, value: number): void {
    const offset = this.offsetToWrite(address, 4)
    if (offset >= 0) this.view.setUint32(offset, value, true)
  }

  /** Copies RAM into `into`; answers how many bytes came before RAM ended. */
  readBytes(address: number, into: Uint8Array): number {
    let done = 0
    while (done < into.length) {
      const run = Math.min(this.runLength(address + done), into.length - done)
      if (run === 0) break
      const offset = this.offsetToRead(address + done)
      if (run <= FEW) {
        const { bytes } = this
        for (let index = 0; index < run; index++) into[done + index] = bytes[offset + index]!
      } else into.set(this.bytes.subarray(offset, offset + run), done)
      done += run
    }
    return done
  }

  /** Copies `from` to RAM; answers how many bytes went before RAM ended. */
  writeBytes(address: number, from: Uint8Array): number {
    let done = 0
    while (done < from.length) {
      const run = Math.min(this.runLength(address + done), from.length - done)
      if (run === 0) break
      const offset = this.offsetToWrite(address + done, run)
      if (run <= FEW) {
        const { bytes } = this
        for (let index = 0; index < run; index++) bytes[offset + index] = from[done + index]!
      } else this.bytes.set(run === from.length ? from : from.subarray(done, done + run), offset)
      done += run
    }
    return done
  }

  /**
   * Zeroes RAM; answers how many bytes went before RAM ended. What nobody has written is zero already, and is not
   * backed for this: to clear all of a large guest costs what it has touched.
   */
  clear(address: number, length: number): number {
    let done = 0
    while (done < length) {
      const run = Math.min(this.runLength(address + done), length - done)
      if (run === 0) break
      const offset = this.offsetToRead(address + done)
      // The first chunk of the store stands for all that was never written.
      if (offset >= CHUNK_BYTES) this.#clearWritten(offset, offset + run)
      done += run
    }
    return done
  }

  /** Zeroes the store from `offset` to `end`, but for blocks that nobody wrote. */
  #clearWritten(offset: number, end: number): void {
    for (let at = offset; at < end; ) {
      const next = Math.min(end, ((at >>> BLOCK_SHIFT) + 1) << BLOCK_SHIFT)
      if (this.#written[at >>> BLOCK_SHIFT] !== 0) this.bytes.fill(0, at, next)
      at = next
    }
  }

  /** Gives the backing store back. The RAM must not be used after that. */
  dispose(): void {
    returnArena(this.#arena)
  }
}
