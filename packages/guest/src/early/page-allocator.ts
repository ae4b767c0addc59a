import type { PageAllocator } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { AddressRange } from './memory-map.ts'

const PAGE = 4096
const FOUR_GIB = 0x1_0000_0000
const ZERO_PAGE = new Uint8Array(PAGE)

/** Limit for memory that may lie anywhere, as most of what Linux gives out on 64 bits: the highest there is. */
export const ANYWHERE = 2 ** 53

/**
 * The kernel's page allocator: free ranges of whole pages, ascending. It takes from the top, and gives the same
 * addresses for the same calls. Pages are cleared through the bus when they are handed out: neither firmware's
 * leftovers nor what an earlier owner wrote are zero.
 */
export class KernelPages implements PageAllocator {
  readonly #bus: CpuBus
  readonly #free: { start: number; end: number }[]
  #used = 0

  /** @param ranges - ascending, disjoint, page-aligned; as `usablePages` answers them */
  constructor(bus: CpuBus, ranges: readonly AddressRange[]) {
    this.#bus = bus
    this.#free = ranges.map(({ start, end }) => ({ start, end }))
  }

  /** Pages that are handed out now. */
  get used(): number {
    return this.#used
  }

  allocate(count: number, limit = FOUR_GIB): number | null {
    const address = this.reserve(count, limit)
    if (address === null) return null
    if (this.#bus.clear !== undefined) this.#bus.clear(address, count * PAGE)
    else for (let page = address; page < address + count * PAGE; page += PAGE) this.#bus.writeBytes(page, ZERO_PAGE)
    return address
  }

  /** The same without clearing it: for what is large, and is written before it is read. */
  reserve(count: number, limit = FOUR_GIB): number | null {
    if (!(Number.isSafeInteger(count) && count > 0)) {
      throw new RangeError(`a number of pages is a positive integer, got ${count}`)
    }
    const length = count * PAGE
    for (let index = this.#free.length - 1; index >= 0; index--) {
      const range = this.#free[index]!
      const top = Math.floor(Math.min(range.end, limit) / PAGE) * PAGE
      const address = top - length
      if (address < range.start) continue
      this.#take(index, address, top)
      this.#used += count
      return address
    }
    return null
  }

  free(address: number, count: number): void {
    const end = address + count * PAGE
    if (address % PAGE !== 0 || !(Number.isSafeInteger(count) && count > 0)) {
      throw new RangeError(
        `free takes an aligned address and a positive count, got 0x${address.toString(16)}, ${count}`,
      )
    }
    const index = this.#free.findIndex((range) => range.start >= address)
    const at = index < 0 ? this.#free.length : index
    const before = this.#free[at - 1]
    const after = this.#free[at]
    if ((before !== undefined && before.end > address) || (after !== undefined && after.start < end)) {
      throw new RangeError(`0x${address.toString(16)}, ${count} pages: freed, but not all of it was allocated`)
    }
    this.#used -= count
    const joinsBefore = before !== undefined && before.end === address
    const joinsAfter = after !== undefined && after.start === end
    if (joinsBefore && joinsAfter) {
      before.end = after.end
      this.#free.splice(at, 1)
    } else if (joinsBefore) before.end = end
    else if (joinsAfter) after.start = address
    else this.#free.splice(at, 0, { start: address, end })
  }

  #take(index: number, start: number, end: number): void {
    const range = this.#free[index]!
    const left = { start: range.start, end: start }
    const right = { start: end, end: range.end }
    const rest = [left, right].filter((part) => part.end > part.start)
    this.#free.splice(index, 1, ...rest)
  }
}
