import { bits } from '@dmascope/layout'

/** RTAS calls of the Dynamic DMA Windows option (LoPAPR §7.4.8). */
export const DDW_CALLS = {
  query: 'ibm,query-pe-dma-window',
  create: 'ibm,create-pe-dma-window',
  remove: 'ibm,remove-pe-dma-window',
  reset: 'ibm,reset-pe-dma-window',
} as const

/** What RTAS calls return (LoPAPR §7.2.8). */
export const RTAS_STATUS = { success: 0, hardwareError: -1, parameterError: -3 } as const

/** I/O page sizes that ibm,query-pe-dma-window tells of: a bit each; 2 MiB is out of order. */
export const IO_PAGE_SIZES = bits(32, 'I/O Page Sizes', 'LoPAPR §7.4.8.1', {
  SIZE_2M: 8,
  SIZE_16G: 7,
  SIZE_256M: 6,
  SIZE_128M: 5,
  SIZE_64M: 4,
  SIZE_32M: 3,
  SIZE_16M: 2,
  SIZE_64K: 1,
  SIZE_4K: 0,
})

/** log2 of each of those sizes, by its bit. */
export const IO_PAGE_SHIFTS: readonly number[] = [12, 16, 24, 25, 26, 27, 28, 34, 21]
