import { bits, field, reg32, registers } from '@dmascope/layout'

const V2 = 'IHI 0048B'
const V3 = 'IHI 0069'

/** GICD_CTLR of GICv2 without the Security Extensions. */
export const GICD_CTLR_V2 = bits(32, 'GICD_CTLR', V2, { EnableGrp1: field(1, 'rw'), EnableGrp0: field(0, 'rw') })

/** GICD_CTLR of GICv3 with one Security state. */
export const GICD_CTLR_V3 = bits(32, 'GICD_CTLR', V3, {
  RWP: field(31, 'ro'),
  DS: field(6, 'ro'),
  ARE: field(4, 'rw'),
  EnableGrp1: field(1, 'rw'),
  EnableGrp0: field(0, 'rw'),
})

/** What the distributor has; the upper fields are of GICv3. */
export const GICD_TYPER = bits(32, 'GICD_TYPER', V3, {
  No1N: field(25, 'ro'),
  A3V: field(24, 'ro'),
  /** Width of an interrupt's number, less one. */
  IDbits: field([23, 19], 'ro'),
  LPIS: field(17, 'ro'),
  SecurityExtn: field(10, 'ro'),
  CPUNumber: field([7, 5], 'ro'),
  /** Interrupts that are shared or private: 32 (n + 1). */
  ITLinesNumber: field([4, 0], 'ro'),
})

/** A software-generated interrupt, of GICv2. */
export const GICD_SGIR = bits(32, 'GICD_SGIR', V2, {
  TargetListFilter: field([25, 24], 'wo', { 0: 'the list', 1: 'all others', 2: 'the sender' }),
  CPUTargetList: field([23, 16], 'wo'),
  INTID: field([3, 0], 'wo'),
})

/** Single registers of the distributor. Those that are arrays by interrupt stand in `GICD_ARRAYS`. */
export const GICD = registers('GICD', V3, {
  CTLR: reg32(0x0000, 'rw'),
  TYPER: reg32(0x0004, 'ro', GICD_TYPER),
  IIDR: reg32(0x0008, 'ro'),
  SGIR: reg32(0x0f00, 'wo', GICD_SGIR),
})

/**
 * Arrays of registers by interrupt: offset of the first, and bits for each interrupt. A GICv3 redistributor has them at
 * the same offsets in its SGI frame, for interrupts 0 to 31 (IHI 0069 §12.11).
 */
export const GICD_ARRAYS = {
  IGROUPR: { offset: 0x080, bits: 1 },
  ISENABLER: { offset: 0x100, bits: 1 },
  ICENABLER: { offset: 0x180, bits: 1 },
  ISPENDR: { offset: 0x200, bits: 1 },
  ICPENDR: { offset: 0x280, bits: 1 },
  ISACTIVER: { offset: 0x300, bits: 1 },
  ICACTIVER: { offset: 0x380, bits: 1 },
  IPRIORITYR: { offset: 0x400, bits: 8 },
  /** GICv2 only. */
  ITARGETSR: { offset: 0x800, bits: 8 },
  ICFGR: { offset: 0xc00, bits: 2 },
} as const

/** Of GICv3: 64 bits for each interrupt from 32 on, the affinity of the processor that takes it. */
export const GICD_IROUTER_OFFSET = 0x6000

/** Peripheral ID 2, at the end of each frame: its bits [7:4] are the architecture's revision. */
export const GIC_PIDR2 = bits(32, 'PIDR2', V3, { ArchRev: field([7, 4], 'ro') })
export const GIC_PIDR2_OFFSET = 0xffe8
/** Where GICv2's distributor has it. */
export const GICV2_PIDR2_OFFSET = 0xfe8

/** First interrupt that every processor shares; below it each has its own. */
export const FIRST_SPI = 32
/** First private peripheral interrupt; below it are those that software generates. */
export const FIRST_PPI = 16
/** First message-based interrupt of the ITS. */
export const FIRST_LPI = 8192
/** What an acknowledge answers where nothing is to be taken. */
export const SPURIOUS_INTID = 1023
