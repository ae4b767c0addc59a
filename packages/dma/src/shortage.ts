import type { Swiotlb } from './swiotlb.ts'

/** What the kernel's log says where no run of pages is free. */
export const outOfMemory = (owner: string, pages: number): string =>
  `${owner}: page allocation failure: order:${Math.ceil(Math.log2(pages))}`

/** The same where no run of slots is. */
export const poolFull = (owner: string, pool: Swiotlb, length: number): string =>
  `${owner}: swiotlb buffer is full (sz: ${length} bytes), total ${pool.slots} (slots), used ${pool.used} (slots)`
