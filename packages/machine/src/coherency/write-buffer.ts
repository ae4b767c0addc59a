import type { MemoryAccess } from './memory-access.ts'

/** Bytes that one entry holds at most, and entries. */
const ENTRY_BYTES = 64
const ENTRIES = 16

/**
 * Writes of a processor that are still on their way to memory, in order. The processor reads its own writes; whoever
 * else looks at memory does not. Where the buffer is full, the oldest write goes.
 */
export class WriteBuffer implements MemoryAccess {
  readonly #memory: MemoryAccess
  readonly #entries: { readonly address: number; readonly bytes: Uint8Array }[] = []

  constructor(memory: MemoryAccess) {
    this.#memory = memory
  }

  /** Writes that have not arrived. */
  get pending(): number {
    return this.#entries.length
  }

  readBytes(address: number, into: Uint8Array): void {
    this.#memory.readBytes(address, into)
    const end = address + into.length
    for (const entry of this.#entries) {
      const from = Math.max(address, entry.address)
      const to = Math.min(end, entry.address + entry.bytes.length)
      if (from < to) into.set(entry.bytes.subarray(from - entry.address, to - entry.address), from - address)
    }
  }

  writeBytes(address: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; done += ENTRY_BYTES) {
      if (this.#entries.length === ENTRIES) this.#retire()
      this.#entries.push({ address: address + done, bytes: from.slice(done, done + ENTRY_BYTES) })
    }
  }

  /** Waits until all of it has arrived. */
  drain(): void {
    while (this.#entries.length > 0) this.#retire()
  }

  #retire(): void {
    const entry = this.#entries.shift()
    if (entry !== undefined) this.#memory.writeBytes(entry.address, entry.bytes)
  }
}
