import { DmascopeError } from '@dmascope/layout'

/** Bytes of a chunk: the unit in which guest RAM is backed, and of a VT-d 2 MiB page. */
export const CHUNK_BYTES = 0x20_0000
export const CHUNK_SHIFT = 21

const FIRST_CHUNKS = 32
const KEPT_ARENAS = 2

/**
 * Backing store for guest RAM: one flat buffer, cut in chunks that are handed out in order. Chunk 0 is never handed out
 * and stays zero: it stands in for all memory that nobody has written.
 *
 * A released arena is cleared chunk by chunk, only those that were used, and serves the next machine: a fresh buffer
 * would cost page faults for the whole of it.
 */
export class Arena {
  view: DataView
  bytes: Uint8Array
  #used = 1

  constructor(chunks = FIRST_CHUNKS) {
    this.bytes = new Uint8Array(chunks * CHUNK_BYTES)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Takes a zeroed chunk and answers its number. The buffer may be replaced by a larger one: see `view`. */
  takeChunk(): number {
    if ((this.#used + 1) * CHUNK_BYTES > this.bytes.length) this.#grow()
    return this.#used++
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

  clear(): void {
    this.bytes.fill(0, CHUNK_BYTES, this.#used * CHUNK_BYTES)
    this.#used = 1
  }
}

const free: Arena[] = []

/** A cleared arena, a used one where there is one. */
export const takeArena = (): Arena => free.pop() ?? new Arena()

/** Clears the arena and keeps it for the next taker. Nothing may hold its buffer any more. */
export function returnArena(arena: Arena): void {
  arena.clear()
  if (free.length < KEPT_ARENAS) free.push(arena)
}
