import { bits, field, reg32, registers } from '@dmascope/layout'

const PRA = 'MIPS32 privileged resource architecture (MD00090)'
const BMIPS = 'Linux, arch/mips/include/asm/bmips.h'

/** Registers of coprocessor 0 as the CPU seam numbers them: register << 3 | select. */
export const CP0 = {
  Status: 12 << 3,
  Cause: 13 << 3,
  PRId: 15 << 3,
  /** Broadcom's own (`read_c0_brcm_cbr`). */
  BRCM_CBR: (22 << 3) | 6,
} as const

export const STATUS = bits(32, 'Status', PRA, { BEV: 22, IM: [15, 8], ERL: 2, EXL: 1, IE: 0 })
export const CAUSE = bits(32, 'Cause', PRA, { IP: [15, 8] })
export const PRID = bits(32, 'PRId', PRA, { COMPANY_ID: [23, 16], PROCESSOR_ID: [15, 8], REVISION: [7, 0] })

/** Linux's PRID_COMP_BROADCOM and PRID_IMP_*, by their fields. */
export const BROADCOM = 0x02
export const PROCESSOR_ID = {
  BMIPS3300: 0x90,
  BMIPS3300_ALT: 0x91,
  BMIPS3300_BUG: 0x00,
  BMIPS43XX: 0xa0,
  BMIPS5000: 0x5a,
  BMIPS5200: 0x5b,
} as const
/** Revisions of BMIPS43XX that are BMIPS4380; others are BMIPS4350. */
export const BMIPS4380_REVISIONS = { first: 0x40, last: 0x6f } as const

/** The address in BRCM_CBR is of blocks of this size. */
export const CORE_BYTES = 0x4_0000

export const RAC_CONFIG = bits(32, 'RAC_CONFIG', BMIPS, { FLUSH: field(8, 'wo') })

/** Of the core's control registers. */
export const CORE = registers('BMIPS core registers', BMIPS, {
  BMIPS_RAC_CONFIG: reg32(0x0, 'rw', RAC_CONFIG),
})
