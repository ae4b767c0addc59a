import { bits, field, reg32, registers } from '@dmascope/layout'

const SOURCE = 'Linux arch/powerpc/sysdev/dart.h; IBM CPC925 user’s manual, DART'

/** The one register of a U3’s DART that software needs: where its table is, how long, and whether it is on. */
export const DART_CNTL_U3 = bits(32, 'DART_CNTL (U3)', SOURCE, {
  /** Page of the table. */
  BASE: field([31, 12], 'rw'),
  /** Set to forget all that the TLB holds; reads as zero once that is done. */
  FLUSHTLB: field(10, 'rw'),
  ENABLE: field(9, 'rw'),
  /** Pages of the table; 0 for 512. */
  SIZE: field([8, 0], 'rw'),
})

export const DART_CNTL_U4 = bits(32, 'DART_CNTL (U4)', SOURCE, {
  ENABLE: field(31, 'rw'),
  /** Set to forget one entry; reads as zero once that is done. */
  IONE: field(30, 'rw'),
  FLUSHTLB: field(29, 'rw'),
  IDLE: field(28, 'ro'),
  PAR_EN: field(27, 'rw'),
  IONE_INDEX: field([26, 0], 'rw'),
})

export const DART_BASE_U4 = bits(32, 'DART_BASE (U4)', SOURCE, { BASE: field([23, 0], 'rw') })
export const DART_SIZE_U4 = bits(32, 'DART_SIZE (U4)', SOURCE, { SIZE: field([12, 0], 'rw') })

/** Big-endian, as all registers of the north bridge are. */
export const DART_U3 = registers('DART (U3)', SOURCE, {
  DART_CNTL: reg32(0x00, 'rw', DART_CNTL_U3),
  DART_EXCP: reg32(0x10, 'ro'),
})

export const DART_U4 = registers('DART (U4)', SOURCE, {
  DART_CNTL: reg32(0x00, 'rw', DART_CNTL_U4),
  DART_BASE: reg32(0x10, 'rw', DART_BASE_U4),
  DART_SIZE: reg32(0x20, 'rw', DART_SIZE_U4),
  DART_EXCP: reg32(0x30, 'ro'),
})

/** An entry of the table, big-endian: a page of memory, to be read and written. */
export const DARTMAP = bits(32, 'DARTMAP', SOURCE, { VALID: 31, RPN: [23, 0] })

/** Pages of memory and of the table have 4 KiB: the table’s hold 1024 entries each. */
export const DART_PAGE_SHIFT = 12
export const ENTRIES_A_PAGE = 1024

/** Bus addresses from 2^39 on pass a U4’s DART, on its own PCI Express; upper word. */
export const U4_BYPASS_HI = 0x80
