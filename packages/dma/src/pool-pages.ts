import type { PageAllocator } from './dma-ops.ts'
import type { CpuMemory, Swiotlb } from './swiotlb.ts'

const PAGE = 4096
const FOUR_GIB = 0x1_0000_0000

/**
 * Pages out of a pool of bounce buffers: for devices that reach the pool and nothing else, whose coherent memory must lie
 * there too (Linux's `swiotlb_alloc`). Aligned to the next power of two of their size, and at most a segment of the pool.
 */
export class PoolPages implements PageAllocator {
  readonly #pool: Swiotlb
  readonly #memory: CpuMemory

  constructor(pool: Swiotlb, memory: CpuMemory) {
    this.#pool = pool
    this.#memory = memory
  }

  allocate(count: number, limit = FOUR_GIB): number | null {
    if (!(Number.isSafeInteger(count) && count > 0)) {
      throw new RangeError(`a number of pages is a positive integer, got ${count}`)
    }
    const length = count * PAGE
    const address = this.#pool.take(length, 2 ** Math.ceil(Math.log2(count)) * PAGE)
    if (address === null) return null
    // The pool is where it is: Linux tries no other part of it.
    if (address + length > limit) {
      this.#pool.give(address, length)
      return null
    }
    this.#memory.writeBytes(address, new Uint8Array(length))
    return address
  }

  free(address: number, count: number): void {
    this.#pool.give(address, count * PAGE)
  }
}
