import { DmascopeError } from '@dmascope/layout'

/** Bytes of a chunk: the unit in which guest RAM is backed, and of a VT-d 2 MiB page. */
export const CHUNK_BYTES = 0x20_0000
export const CHUNK_SHIFT = 21

/** A block of 4 KiB: the unit in which is remembered what was written. */
export const BLOCK_SHIFT = 12
const BLOCKS = CHUNK_BYTES >> BLOCK_SHIFT

const FIRST_CHUNKS = 8
const KEPT_ARENAS = 2

/**
 * Backing store for guest RAM: one flat buffer, cut in chunks that are handed out in order. Chunk 0 is never handed out
 * and stays zero: it stands in for all memory that nobody has written.
 *
 * A released arena serves the next machine: a fresh buffer would cost page faults for the whole of it. Its chunks are
 * cleared as they are taken again, so that the last machine of a process leaves no work behind; and of them only the blocks
 * that were written, since to clear a chunk takes longer than most machines write to it, and the cache with it.
 */
export class Arena {
  view: DataView
  bytes: Uint8Array
  /** For each block: not 0 where it may hold anything but zeroes. Whoever writes to the store says so here. */
  written: Uint8Array
  #used = 1

  constructor(chunks = FIRST_CHUNKS) {
    this.bytes = new Uint8Array(chunks * CHUNK_BYTES)
    this.view = new DataView(this.bytes.buffer)
    this.written = new Uint8Array(chunks * BLOCKS)
  }

  /** Takes a zeroed chunk and answers its number. The buffer may be replaced by a larger one: see `view`. */
  takeChunk(): number {
    if ((this.#used + 1) * CHUNK_BYTES > this.bytes.length) this.#grow()
    const chunk = this.#used++
    this.#clear(chunk * BLOCKS, (chunk + 1) * BLOCKS)
    return chunk
  }

  /** Zeroes what was written of blocks `from` to `end`, as many at once as lie together. */
  #clear(from: number, end: number): void {
    const { written } = this
    for (let block = from; block < end; block++) {
      if (written[block] === 0) continue
      const first = block
      while (block < end && written[block] !== 0) written[block++] = 0
      this.bytes.fill(0, first << BLOCK_SHIFT, block << BLOCK_SHIFT)
    }
  }

  #grow(): void {
    let larger: Uint8Array
    try {
      larger = new Uint8Array(this.bytes.length * 2)
    } catch {
      throw new DmascopeError(
        'MEMORY_EXHAUSTED',
        `the guest touched ${this.bytes.length >> 20} MiB of its RAM and this process cannot hold more; declare less memory`,
        { heldBytes: this.bytes.length },
      )
    }
    larger.set(this.bytes)
    const written = new Uint8Array(this.written.length * 2)
    written.set(this.written)
    this.written = written
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }

  /** Takes all chunks back. */
  release(): void {
    this.#used = 1
  }
}

const free: Arena[] = []

/** An arena of which nothing is taken; one that was used before, where there is one. */
export const takeArena = (): Arena => free.pop() ?? new Arena()

/** Keeps the arena for the next taker. Nothing may hold its buffer any more. */
export function returnArena(arena: Arena): void {
  arena.release()
  if (free.length < KEPT_ARENAS) free.push(arena)
}
