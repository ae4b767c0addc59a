import { addr, bits } from '@dmascope/layout'

/**
 * A translation validation entry of IODA2 and IODA3, which says how one window of a partitionable endpoint is
 * translated. Fields as skiboot's phb4-regs.h names them; bit 0 of the manuals is bit 63 here.
 */
export const TVE = bits(64, 'TVE', 'phb4-regs.h IODA3_TVT', {
  TABLE_ADDR: [63, 16],
  NUM_LEVELS: [15, 13],
  TCE_TABLE_SIZE: [12, 8],
  NON_TRANSLATE_50: 7,
  IO_PSIZE: [4, 0],
})

/** TVE.TCE_TABLE_SIZE of a table of 2^n bytes is n less this; TVE.IO_PSIZE of pages of 2^n bytes likewise. 0 is none. */
export const TABLE_SIZE_BIAS = 11
export const PAGE_SIZE_BIAS = 11

/**
 * The same entry with IO_PSIZE 0, which lets addresses through: first and last 16 MiB of them, by bits 49:24. The upper
 * two bits of each stand apart, and the first bit of TCE_TABLE_SIZE says that the entry is in use.
 */
export const UNTRANSLATED_TVE = bits(64, 'TVE', 'skiboot phb4_map_pe_dma_window_real', {
  START_47_24: [63, 40],
  END_47_24: [39, 16],
  VALID: 12,
  START_49_48: [11, 10],
  END_49_48: [9, 8],
  NON_TRANSLATE_50: 7,
})

/** A translation control entry in memory: big-endian. At upper levels, the address of the next table. */
export const IODA_TCE = bits(64, 'TCE', 'IODA2', { RPN: addr(63, 12), WRITE: 1, READ: 0 })

/** Bit 59 of a bus address chooses the endpoint's second window. */
export const SECOND_WINDOW_HI = 0x0800_0000
