import { bits, field } from '@dmascope/layout'

const V3 = 'IHI 0069'

/** How MRS and MSR name a system register, in 16 bits (Arm ARM, DDI 0487, system instruction encoding). */
export const systemRegister = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2

/** The CPU interface of GICv3, and the processor's own affinity. */
export const SYSTEM_REGISTERS = {
  MPIDR_EL1: systemRegister(3, 0, 0, 0, 5),
  ICC_PMR_EL1: systemRegister(3, 0, 4, 6, 0),
  ICC_AP1R0_EL1: systemRegister(3, 0, 12, 9, 0),
  ICC_DIR_EL1: systemRegister(3, 0, 12, 11, 1),
  ICC_RPR_EL1: systemRegister(3, 0, 12, 11, 3),
  ICC_SGI1R_EL1: systemRegister(3, 0, 12, 11, 5),
  ICC_IAR1_EL1: systemRegister(3, 0, 12, 12, 0),
  ICC_EOIR1_EL1: systemRegister(3, 0, 12, 12, 1),
  ICC_HPPIR1_EL1: systemRegister(3, 0, 12, 12, 2),
  ICC_BPR1_EL1: systemRegister(3, 0, 12, 12, 3),
  ICC_CTLR_EL1: systemRegister(3, 0, 12, 12, 4),
  ICC_SRE_EL1: systemRegister(3, 0, 12, 12, 5),
  ICC_IGRPEN1_EL1: systemRegister(3, 0, 12, 12, 7),
} as const

export const ICC_CTLR_EL1 = bits(32, 'ICC_CTLR_EL1', V3, {
  A3V: field(15, 'ro'),
  /** Width of an interrupt's number: 0 is 16 bits. */
  IDbits: field([13, 11], 'ro'),
  /** Bits of priority, less one. */
  PRIbits: field([10, 8], 'ro'),
  EOImode: field(1, 'rw', { 0: 'drop and deactivate', 1: 'drop' }),
  CBPR: field(0, 'rw'),
})

export const ICC_SRE_EL1 = bits(32, 'ICC_SRE_EL1', V3, {
  DIB: field(2, 'ro'),
  DFB: field(1, 'ro'),
  SRE: field(0, 'ro'),
})

export const ICC_IGRPEN1_EL1 = bits(32, 'ICC_IGRPEN1_EL1', V3, { Enable: field(0, 'rw') })
