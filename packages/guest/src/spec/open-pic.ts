import { bits, field, reg32, registers } from '@dmascope/layout'

/** What of an OpenPIC a kernel on one processor uses. */
const OPENPIC = 'Open PIC Register Interface Specification 1.2'

export const FRR = bits(32, 'Feature Reporting Register', OPENPIC, {
  NIRQ: field([26, 16], 'ro'),
  NCPU: field([12, 8], 'ro'),
  VID: field([7, 0], 'ro'),
})

export const GCR = bits(32, 'Global Configuration Register', OPENPIC, {
  R: field(31, 'rw'),
  M: field(29, 'rw'),
})

export const IVPR = bits(32, 'Interrupt Vector/Priority Register', OPENPIC, {
  MSK: field(31, 'rw'),
  P: field(23, 'rw'),
  S: field(22, 'rw'),
  PRIORITY: field([19, 16], 'rw'),
  VECTOR: field([15, 0], 'rw'),
})

export const OPEN_PIC = registers('OpenPIC', OPENPIC, {
  FRR: reg32(0x1000, 'ro', FRR),
  GCR: reg32(0x1020, 'rw', GCR),
  SVR: reg32(0x10e0, 'rw'),
})

/** Registers of the first source; others follow, 32 bytes apart. */
export const OPEN_PIC_SOURCE = registers('OpenPIC interrupt source', OPENPIC, {
  IVPR: reg32(0x1_0000, 'rw', IVPR),
  IDR: reg32(0x1_0010, 'rw'),
})
export const SOURCE_STRIDE = 0x20

/** Registers of the first processor. */
export const OPEN_PIC_PROCESSOR = registers('OpenPIC processor', OPENPIC, {
  CTPR: reg32(0x2_0080, 'rw'),
  IACK: reg32(0x2_00a0, 'ro'),
  EOI: reg32(0x2_00b0, 'wo'),
})
