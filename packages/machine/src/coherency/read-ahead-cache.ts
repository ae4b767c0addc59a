import type { GuestRam } from '@dmascope/memory'
import type { MemoryAccess } from './memory-access.ts'

/** A read-ahead cache's shape: blocks of so many bytes, and how many more it fetches behind one that it missed. */
export interface ReadAheadGeometry {
  readonly blocks: number
  readonly blockBytes: number
  readonly ahead: number
}

const NO_BLOCK = -1

/**
 * What Broadcom's BMIPS3300, 4350 and 4380 have between their caches and memory: a cache of what the processor has read
 * lately, and of what lies behind that, since it is likely to be read next. It knows the processor's own writes. Nobody
 * tells it of a device's, and invalidating the processor's cache does not reach it: it is flushed as a whole.
 *
 * Blocks leave in the order in which they came.
 */
export class ReadAheadCache implements MemoryAccess {
  readonly #geometry: ReadAheadGeometry
  readonly #ram: GuestRam
  readonly #held: Float64Array
  readonly #data: Uint8Array
  #next = 0
  #isEnabled = true

  /** @throws RangeError where what it fetches at once has no room in it */
  constructor(geometry: ReadAheadGeometry, ram: GuestRam) {
    if (geometry.ahead >= geometry.blocks) {
      throw new RangeError(`${geometry.ahead} blocks ahead in a cache of ${geometry.blocks}: fewer are needed`)
    }
    this.#geometry = geometry
    this.#ram = ram
    this.#held = new Float64Array(geometry.blocks).fill(NO_BLOCK)
    this.#data = new Uint8Array(geometry.blocks * geometry.blockBytes)
  }

  get isEnabled(): boolean {
    return this.#isEnabled
  }

  /** What it holds is lost when it is switched off. */
  enable(enabled: boolean): void {
    this.#isEnabled = enabled
    if (!enabled) this.flush()
  }

  /** Forgets all. There is nothing to write back. */
  flush(): void {
    this.#held.fill(NO_BLOCK)
  }

  readBytes(address: number, into: Uint8Array): void {
    if (!this.#isEnabled) {
      this.#ram.readBytes(address, into)
      return
    }
    const { blockBytes } = this.#geometry
    for (let done = 0; done < into.length; ) {
      const within = (address + done) % blockBytes
      const run = Math.min(blockBytes - within, into.length - done)
      const slot = this.#hold(address + done - within)
      if (slot < 0) this.#ram.readBytes(address + done, into.subarray(done, done + run))
      else into.set(this.#data.subarray(slot * blockBytes + within, slot * blockBytes + within + run), done)
      done += run
    }
  }

  writeBytes(address: number, from: Uint8Array): void {
    this.#ram.writeBytes(address, from)
    const { blockBytes } = this.#geometry
    for (let block = address - (address % blockBytes); block < address + from.length; block += blockBytes) {
      const slot = this.#held.indexOf(block)
      if (slot >= 0) this.#held[slot] = NO_BLOCK
    }
  }

  /** Where a block is held, which is fetched where it is not there; -1 for one that is not all RAM. */
  #hold(block: number): number {
    const found = this.#held.indexOf(block)
    if (found >= 0) return found
    const { ahead, blockBytes } = this.#geometry
    const slot = this.#fetch(block)
    for (let step = 1; step <= ahead; step++) {
      const next = block + step * blockBytes
      if (this.#held.indexOf(next) < 0) this.#fetch(next)
    }
    return slot
  }

  #fetch(block: number): number {
    const { blocks, blockBytes } = this.#geometry
    if (!this.#ram.covers(block, blockBytes)) return -1
    const slot = this.#next
    this.#next = (slot + 1) % blocks
    this.#held[slot] = block
    this.#ram.readBytes(block, this.#data.subarray(slot * blockBytes, (slot + 1) * blockBytes))
    return slot
  }
}
