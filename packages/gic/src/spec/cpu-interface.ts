import { bits, field, reg32, registers } from '@dmascope/layout'

const V2 = 'IHI 0048B'

/** GICC_CTLR without the Security Extensions. */
export const GICC_CTLR = bits(32, 'GICC_CTLR', V2, {
  EOImode: field(9, 'rw', { 0: 'drop and deactivate', 1: 'drop' }),
  EnableGrp1: field(1, 'rw'),
  EnableGrp0: field(0, 'rw'),
})

/** What GICC_IAR answers and GICC_EOIR takes. */
export const GICC_INTERRUPT = bits(32, 'GICC_IAR', V2, { CPUID: [12, 10], INTID: [9, 0] })

/** The memory-mapped CPU interface of GICv2. */
export const GICC = registers('GICC', V2, {
  CTLR: reg32(0x0000, 'rw', GICC_CTLR),
  PMR: reg32(0x0004, 'rw'),
  BPR: reg32(0x0008, 'rw'),
  IAR: reg32(0x000c, 'ro', GICC_INTERRUPT),
  EOIR: reg32(0x0010, 'wo', GICC_INTERRUPT),
  RPR: reg32(0x0014, 'ro'),
  HPPIR: reg32(0x0018, 'ro', GICC_INTERRUPT),
  IIDR: reg32(0x00fc, 'ro'),
  DIR: reg32(0x1000, 'wo', GICC_INTERRUPT),
})
