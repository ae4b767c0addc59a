import { addr, bits } from '@dmascope/layout'

/**
 * An entry of the translation storage buffer, big-endian in memory. Fields as Linux’s asm/iommu_64.h names them
 * (IOPTE_*); all that is valid may be read.
 */
export const IOPTE = bits(64, 'IOPTE', 'Linux asm/iommu_64.h', {
  VALID: 63,
  '64K': 61,
  STBUF: 60,
  INTRA: 59,
  CONTEXT: [58, 47],
  PAGE: addr(46, 13),
  CACHE: 4,
  WRITE: 1,
})

/** Bytes of an entry. */
export const IOPTE_BYTES = 8

/** A TSB has this many entries, times 2 to the power of IOMMU_CONTROL.TSBSZ. */
export const SMALLEST_TSB = 1024

/** Of pages of 8 KiB, and of 64 KiB, which IOMMU_CONTROL.TBWSZ chooses between. */
export const PAGE_SHIFT = 13
export const LARGE_PAGE_SHIFT = 16
