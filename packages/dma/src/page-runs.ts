import type { PageAllocator } from './dma-ops.ts'

/** Pages in a row. */
export interface PageRun {
  readonly start: number
  readonly count: number
}

/**
 * So many pages, in as few runs as there are: of the largest powers of two that can be had, down to single pages (Linux's
 * `__iommu_dma_alloc_pages`).
 *
 * @param single - large runs are not worth looking for
 * @returns null, with nothing taken, where there are not so many
 */
export function collectPages(pages: PageAllocator, count: number, single: boolean): readonly PageRun[] | null {
  const runs: PageRun[] = []
  let largest = single ? 1 : 2 ** Math.floor(Math.log2(count))
  for (let left = count; left > 0; ) {
    while (largest > left) largest /= 2
    const start = pages.allocate(largest)
    if (start !== null) {
      runs.push({ start, count: largest })
      left -= largest
    } else if (largest > 1) largest /= 2
    else {
      for (const run of runs) pages.free(run.start, run.count)
      return null
    }
  }
  return runs
}
