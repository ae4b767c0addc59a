import { DmascopeError } from '@dmascope/layout'

/** Bytes of a chunk: the unit in which guest RAM is backed, and of a VT-d 2 MiB page. */
export const CHUNK_BYTES = 0x20_0000
export const CHUNK_SHIFT = 21

const FIRST_CHUNKS = 8
const KEPT_ARENAS = 2

/**
 * Backing store for guest RAM: one flat buffer, cut in chunks that are handed out in order. Chunk 0 is never handed out
 * and stays zero: it stands in for all memory that nobody has written.
 *
 * A released arena serves the next machine: a fresh buffer would cost page faults for the whole of it. Its chunks are
 * cleared as they are taken again, so that the last machine of a process leaves no work behind.
 */
export class Arena {
  view: DataView
  bytes: Uint8Array
  #used = 1
  /** Chunks from 1 on that an earlier taker has used. */
  #stale = 1

  constructor(chunks = FIRST_CHUNKS) {
    this.bytes = new Uint8Array(chunks * CHUNK_BYTES)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Takes a zeroed chunk and answers its number. The buffer may be replaced by a larger one: see `view`. */
  takeChunk(): number {
    if ((this.#used + 1) * CHUNK_BYTES > this.bytes.length) this.#grow()
    const chunk = this.#used++
    if (chunk < this.#stale) this.bytes.fill(0, chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)
    return chunk
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
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }

  /** Takes all chunks back. */
  release(): void {
    this.#stale = Math.max(this.#stale, this.#used)
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
