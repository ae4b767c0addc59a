import { addr, bits, field, reg32, reg64, registers } from '@dmascope/layout'

const V3 = 'IHI 0069'

/** Bytes of one frame; a redistributor has two, RD and SGI, and they follow each other. */
export const GICR_FRAME = 0x1_0000
export const GICR_STRIDE = 2 * GICR_FRAME

export const GICR_CTLR = bits(32, 'GICR_CTLR', V3, { RWP: field(3, 'ro'), EnableLPIs: field(0, 'rw') })

export const GICR_TYPER = bits(64, 'GICR_TYPER', V3, {
  /** Of the processor, as in MPIDR_EL1. */
  Affinity_Value: field([63, 32], 'ro'),
  Processor_Number: field([23, 8], 'ro'),
  /** The last of a run of redistributors. */
  Last: field(4, 'ro'),
  PLPIS: field(0, 'ro'),
})

export const GICR_WAKER = bits(32, 'GICR_WAKER', V3, {
  ChildrenAsleep: field(2, 'ro'),
  ProcessorSleep: field(1, 'rw'),
})

export const GICR_PROPBASER = bits(64, 'GICR_PROPBASER', V3, {
  OuterCache: field([58, 56], 'rw'),
  Physical_Address: { ...addr(51, 12), access: 'rw' },
  Shareability: field([11, 10], 'rw'),
  InnerCache: field([9, 7], 'rw'),
  /** Width of an LPI's number, less one. */
  IDbits: field([4, 0], 'rw'),
})

export const GICR_PENDBASER = bits(64, 'GICR_PENDBASER', V3, {
  PTZ: field(62, 'wo'),
  OuterCache: field([58, 56], 'rw'),
  Physical_Address: { ...addr(51, 16), access: 'rw' },
  Shareability: field([11, 10], 'rw'),
  InnerCache: field([9, 7], 'rw'),
})

/** The RD frame. The SGI frame has the arrays of `GICD_ARRAYS`. */
export const GICR = registers('GICR', V3, {
  CTLR: reg32(0x0000, 'rw', GICR_CTLR),
  IIDR: reg32(0x0004, 'ro'),
  TYPER: reg64(0x0008, 'ro', GICR_TYPER),
  WAKER: reg32(0x0014, 'rw', GICR_WAKER, 0x6),
  PROPBASER: reg64(0x0070, 'rw', GICR_PROPBASER),
  PENDBASER: reg64(0x0078, 'rw', GICR_PENDBASER),
})

/** A byte of the LPI configuration table. */
export const LPI_PROPERTY = bits(8, 'LPI configuration', V3, { Priority: field([7, 2], 'rw'), Enable: field(0, 'rw') })
