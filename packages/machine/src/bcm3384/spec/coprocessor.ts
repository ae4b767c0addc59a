import { bits } from '@dmascope/layout'

const PRA = 'MIPS32 privileged resource architecture (MD00090)'

/** Registers of coprocessor 0 as the CPU seam numbers them: register << 3 | select. */
export const CP0 = {
  Status: 12 << 3,
  Cause: 13 << 3,
  PRId: 15 << 3,
  /** Broadcom's own: where the core's control registers are (Linux's `read_c0_brcm_cbr`). */
  BRCM_CBR: (22 << 3) | 6,
} as const

export const STATUS = bits(32, 'Status', PRA, { BEV: 22, IM: [15, 8], ERL: 2, EXL: 1, IE: 0 })
export const CAUSE = bits(32, 'Cause', PRA, { IP: [15, 8] })
/** Inputs that software drives itself, by writing to Cause. */
export const SOFTWARE_INPUTS = 0x03
