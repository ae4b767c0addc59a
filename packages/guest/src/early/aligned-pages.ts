import type { PageAllocator } from '@dmascope/dma'

const PAGE = 4096

/** `count` contiguous zeroed pages, aligned to the bytes that they are; `count` is a power of two. Null without memory. */
export function allocateAligned(pages: PageAllocator, count: number): number | null {
  const bytes = count * PAGE
  const first = pages.allocate(count)
  if (first === null || first % bytes === 0) return first
  pages.free(first, count)
  const larger = 2 * count - 1
  const around = pages.allocate(larger)
  if (around === null) return null
  const aligned = Math.ceil(around / bytes) * bytes
  const before = (aligned - around) / PAGE
  const after = larger - count - before
  if (before > 0) pages.free(around, before)
  if (after > 0) pages.free(aligned + bytes, after)
  return aligned
}
