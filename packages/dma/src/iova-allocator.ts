/** Bytes of one IOVA granule. The smallest page of every IOMMU here; Linux calls its exponent `iova_shift`. */
export const GRANULE = 4096

const PFN_32BIT = 0x10_0000

/** Freed ranges of 2^0 to 2^5 pages are kept for reuse, last freed first, as Linux's range cache does. */
const CACHED_ORDERS = 6

export interface IovaAllocatorOptions {
  /** One past the last address that may be given out: where the page tables end. A multiple of 4096. */
  readonly end: number
  /** First address that may be given out; address 0 never is, whatever stands here. */
  readonly start?: number
  /**
   * `top-down`: Linux. Next fit downwards from the range allocated last, then once more from the top.
   * `bottom-up`: the lowest range that fits.
   */
  readonly order?: 'top-down' | 'bottom-up'
}

/**
 * Gives out I/O virtual addresses: never one twice, never a reserved one, aligned to the size rounded up to a power of
 * two.
 *
 * Allocation works in pages, as Linux's (`drivers/iommu/iova.c`), whose choice of addresses this follows: one cursor
 * for ranges below 4 GiB and one for those above, sizes below 32 pages rounded up to a power of two, and freed ranges
 * of up to 32 pages reused last in, first out.
 */
export class IovaAllocator {
  readonly order: 'top-down' | 'bottom-up'
  readonly #startPfn: number
  readonly #endPfn: number
  // Taken ranges, ascending, disjoint; ends are inclusive. Ranges in the cache count as taken.
  readonly #lo: number[] = []
  readonly #hi: number[] = []
  readonly #cache: number[][] = []
  // First page of the range below which the next search starts; Infinity is the top.
  #cursor32 = Number.POSITIVE_INFINITY
  #cursor = Number.POSITIVE_INFINITY

  /** @throws RangeError where `end` is no positive multiple of 4096 below 2^53, or `start` is not below it */
  constructor(options: IovaAllocatorOptions) {
    const start = options.start ?? 0
    if (!Number.isSafeInteger(options.end) || options.end <= 0 || options.end % GRANULE !== 0) {
      throw new RangeError(`an IOVA range ends at a positive multiple of 4096 below 2^53, got ${options.end}`)
    }
    if (!Number.isSafeInteger(start) || start < 0 || start >= options.end) {
      throw new RangeError(`an IOVA range starts in [0, 0x${options.end.toString(16)}), got ${start}`)
    }
    this.order = options.order ?? 'top-down'
    for (let order = 0; order < CACHED_ORDERS; order++) this.#cache.push([])
    this.#startPfn = Math.max(1, Math.ceil(start / GRANULE))
    this.#endPfn = options.end / GRANULE
  }

  /** Ranges taken now, ascending, as addresses with exclusive ends: given out, reserved, or freed and kept for reuse. */
  *taken(): Generator<{ readonly start: number; readonly end: number }> {
    for (let index = 0; index < this.#lo.length; index++) {
      yield { start: this.#lo[index]! * GRANULE, end: (this.#hi[index]! + 1) * GRANULE }
    }
  }

  /** Takes [start, end) out of use for good, whatever of it is free; pages that it touches count whole. */
  reserve(start: number, end: number): void {
    if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end > start)) {
      throw new RangeError(`a reserved range is [start, end) with start below end, got [${start}, ${end})`)
    }
    let lo = Math.floor(start / GRANULE)
    let hi = Math.ceil(end / GRANULE) - 1
    let first = this.#firstEndingAtOrAbove(lo)
    const from = first
    while (first < this.#lo.length && this.#lo[first]! <= hi) {
      lo = Math.min(lo, this.#lo[first]!)
      hi = Math.max(hi, this.#hi[first]!)
      first++
    }
    this.#lo.splice(from, first - from, lo)
    this.#hi.splice(from, first - from, hi)
  }

  /**
   * @param length - bytes, rounded up to whole pages
   * @param mask - the highest address that the device can emit, inclusive
   * @returns the first address, a multiple of 4096; null where nothing fits at or below the mask
   */
  allocate(length: number, mask: number): number | null {
    if (!Number.isSafeInteger(length) || length <= 0) throw new RangeError(`cannot allocate ${length} bytes of IOVA`)
    const limit = Math.min(Math.floor((mask + 1) / GRANULE), this.#endPfn)
    const pages = roundedPages(length)
    const cached = this.#fromCache(pages, limit)
    if (cached >= 0) return cached * GRANULE
    let pfn = this.#search(pages, limit)
    if (pfn < 0 && this.#flushCache()) pfn = this.#search(pages, limit)
    if (pfn < 0) return null
    this.#insert(pfn, pages)
    return pfn * GRANULE
  }

  /**
   * Gives a range back. @throws RangeError where it was not given out with this length
   *
   * @param length - the bytes that `allocate` was asked for
   */
  free(iova: number, length: number): void {
    const pages = roundedPages(length)
    const pfn = iova / GRANULE
    const index = this.#firstEndingAtOrAbove(pfn)
    if (this.#lo[index] !== pfn || this.#hi[index] !== pfn + pages - 1) {
      throw new RangeError(`IOVA 0x${iova.toString(16)} with ${pages} pages was not given out`)
    }
    const order = orderOf(pages)
    if (order < CACHED_ORDERS) {
      const stack = this.#cache[order]!
      if (stack.includes(pfn)) throw new RangeError(`IOVA 0x${iova.toString(16)} was freed before`)
      stack.push(pfn)
    } else this.#remove(index)
  }

  #fromCache(pages: number, limit: number): number {
    const order = orderOf(pages)
    if (order >= CACHED_ORDERS) return -1
    const stack = this.#cache[order]!
    for (let index = stack.length - 1; index >= 0; index--) {
      const pfn = stack[index]!
      if (pfn + pages > limit) continue
      stack[index] = stack[stack.length - 1]!
      stack.length--
      return pfn
    }
    return -1
  }

  /** Returns every cached range to the free space; false where there was none. */
  #flushCache(): boolean {
    let any = false
    for (const stack of this.#cache) {
      for (const pfn of stack) this.#remove(this.#firstEndingAtOrAbove(pfn))
      any ||= stack.length > 0
      stack.length = 0
    }
    return any
  }

  /** First page of a free range; -1 where none fits wholly below page `limit`. */
  #search(pages: number, limit: number): number {
    const align = 2 ** orderOf(pages)
    if (this.order === 'bottom-up') return this.#searchUp(pages, align, limit)
    const cursor = limit <= PFN_32BIT ? this.#cursor32 : this.#cursor
    const below = this.#searchDown(pages, align, Math.min(limit, cursor), this.#startPfn)
    if (below >= 0 || cursor >= limit) return below
    return this.#searchDown(pages, align, limit, this.#startPfn)
  }

  #searchDown(pages: number, align: number, from: number, lowest: number): number {
    let high = from
    // The taken ranges that start below `high`, from the highest down.
    let index = this.#firstStartingAtOrAbove(high) - 1
    for (;;) {
      const pfn = Math.floor((high - pages) / align) * align
      if (pfn < lowest) return -1
      if (index < 0 || pfn > this.#hi[index]!) return pfn
      high = Math.min(high, this.#lo[index]!)
      index--
    }
  }

  #searchUp(pages: number, align: number, limit: number): number {
    let pfn = Math.ceil(this.#startPfn / align) * align
    for (let index = this.#firstEndingAtOrAbove(pfn); pfn + pages <= limit; index++) {
      if (index >= this.#lo.length || pfn + pages <= this.#lo[index]!) return pfn
      pfn = Math.max(pfn, Math.ceil((this.#hi[index]! + 1) / align) * align)
    }
    return -1
  }

  #insert(pfn: number, pages: number): void {
    const index = this.#firstStartingAtOrAbove(pfn)
    this.#lo.splice(index, 0, pfn)
    this.#hi.splice(index, 0, pfn + pages - 1)
    if (pfn + pages <= PFN_32BIT) this.#cursor32 = pfn
    else this.#cursor = pfn
  }

  #remove(index: number): void {
    const lo = this.#lo[index]!
    const next = this.#lo[index + 1] ?? Number.POSITIVE_INFINITY
    // A range freed at or above a cursor moves that cursor up to the range above it.
    if (this.#hi[index]! < PFN_32BIT && lo >= this.#cursor32) this.#cursor32 = next
    if (lo >= this.#cursor) this.#cursor = next
    this.#lo.splice(index, 1)
    this.#hi.splice(index, 1)
  }

  #firstEndingAtOrAbove(pfn: number): number {
    return firstAtLeast(this.#hi, pfn)
  }

  #firstStartingAtOrAbove(pfn: number): number {
    return firstAtLeast(this.#lo, pfn)
  }
}

function firstAtLeast(sorted: readonly number[], value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** log2 of the smallest power of two that holds so many pages. */
const orderOf = (pages: number): number => Math.ceil(Math.log2(pages))

function roundedPages(length: number): number {
  const pages = Math.ceil(length / GRANULE)
  return pages < 2 ** (CACHED_ORDERS - 1) ? 2 ** orderOf(pages) : pages
}
