import { bits, field, reg32, registers } from '@dmascope/layout'

const OPENPIC = 'Open PIC Register Interface Specification 1.2'
const MPC8544 = 'MPC8544E Reference Manual, programmable interrupt controller'

export const FRR = bits(32, 'Feature Reporting Register', OPENPIC, {
  /** Number of the last source. */
  NIRQ: field([26, 16], 'ro'),
  /** Number of the last processor. */
  NCPU: field([12, 8], 'ro'),
  VID: field([7, 0], 'ro', { 2: 'revision 1.2', 3: 'revision 1.3' }),
})

export const GCR = bits(32, 'Global Configuration Register', OPENPIC, {
  /** Reset. Reads as zero once it is done. */
  R: field(31, 'rw'),
  /** Mixed mode: interrupts of the board do not pass a cascaded 8259. */
  M: field(29, 'rw'),
})

export const IVPR = bits(32, 'Interrupt Vector/Priority Register', OPENPIC, {
  MSK: field(31, 'rw'),
  /** Requested or in service. */
  A: field(30, 'ro'),
  P: field(23, 'rw', { 0: 'active low, or falling', 1: 'active high, or rising' }),
  S: field(22, 'rw', { 0: 'edge', 1: 'level' }),
  PRIORITY: field([19, 16], 'rw'),
  VECTOR: field([15, 0], 'rw'),
})

/** Registers of all: the controller’s own, and those of the messages that Freescale’s has. */
export const OPEN_PIC = registers('OpenPIC', OPENPIC, {
  FRR: reg32(0x1000, 'ro', FRR),
  GCR: reg32(0x1020, 'rw', GCR),
  VIR: reg32(0x1080, 'ro'),
  SVR: reg32(0x10e0, 'rw'),
})

/** Eight registers of 32 messages each, 16 bytes apart, which a read clears; and the one that messages are written to. */
export const MPIC_MESSAGES = registers('MPIC shared message-signaled interrupts', MPC8544, {
  MSIR0: reg32(0x1600, 'ro'),
  MSISR: reg32(0x1720, 'ro'),
  MSIIR: reg32(0x1740, 'wo'),
})
export const MSIR_STRIDE = 0x10
export const MSIR_COUNT = 8

/** Registers of the first source; others follow, 32 bytes apart. */
export const OPEN_PIC_SOURCE = registers('OpenPIC interrupt source', OPENPIC, {
  IVPR: reg32(0x1_0000, 'rw', IVPR),
  IDR: reg32(0x1_0010, 'rw'),
})
export const SOURCE_STRIDE = 0x20

/** Registers of the first processor. */
export const OPEN_PIC_PROCESSOR = registers('OpenPIC processor', OPENPIC, {
  CTPR: reg32(0x2_0080, 'rw'),
  WHOAMI: reg32(0x2_0090, 'ro'),
  IACK: reg32(0x2_00a0, 'ro'),
  EOI: reg32(0x2_00b0, 'wo'),
})
