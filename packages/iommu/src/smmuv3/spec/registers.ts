import { addr, bits, field, reg32, reg64, registers } from '@dmascope/layout'
import { AIDR, IDR0, IDR1, IDR3, IDR5, IIDR } from './features.ts'

const SOURCE = 'IHI 0070 §6.3'

/** SMMU_CR0; SMMU_CR0ACK has the same fields and follows it. */
export const CR0 = bits(32, 'SMMU_CR0', SOURCE, {
  VMW: [8, 6],
  ATSCHK: 4,
  CMDQEN: 3,
  EVENTQEN: 2,
  PRIQEN: 1,
  SMMUEN: 0,
})

/** SMMU_CR1: how the unit's own accesses are cached and shared. */
export const CR1 = bits(32, 'SMMU_CR1', SOURCE, {
  TABLE_SH: [11, 10],
  TABLE_OC: [9, 8],
  TABLE_IC: [7, 6],
  QUEUE_SH: [5, 4],
  QUEUE_OC: [3, 2],
  QUEUE_IC: [1, 0],
})

/** SMMU_CR2. RECINVSID: C_BAD_STREAMID is recorded. */
export const CR2 = bits(32, 'SMMU_CR2', SOURCE, { PTM: 2, RECINVSID: 1, E2H: 0 })

/** SMMU_GBPA: what becomes of transactions while CR0.SMMUEN is clear. Written only together with UPDATE. */
export const GBPA = bits(32, 'SMMU_GBPA', SOURCE, {
  UPDATE: 31,
  ABORT: 20,
  INSTCFG: [19, 18],
  PRIVCFG: [17, 16],
  SHCFG: field([13, 12], 'rw', { 0: 'non-shareable', 1: 'incoming', 2: 'outer', 3: 'inner' }),
  ALLOCCFG: [11, 8],
  MTCFG: 4,
  MemAttr: [3, 0],
})

/** SMMU_IRQ_CTRL; SMMU_IRQ_CTRLACK has the same fields and follows it. */
export const IRQ_CTRL = bits(32, 'SMMU_IRQ_CTRL', SOURCE, { EVENTQ_IRQEN: 2, PRIQ_IRQEN: 1, GERROR_IRQEN: 0 })

/** SMMU_GERROR: an error is active while its bit differs from SMMU_GERRORN's. */
export const GERROR = bits(32, 'SMMU_GERROR', SOURCE, {
  SFM_ERR: 8,
  MSI_GERROR_ABT_ERR: 7,
  MSI_PRIQ_ABT_ERR: 6,
  MSI_EVENTQ_ABT_ERR: 5,
  MSI_CMDQ_ABT_ERR: 4,
  PRIQ_ABT_ERR: 3,
  EVENTQ_ABT_ERR: 2,
  CMDQ_ERR: 0,
})

/** SMMU_STRTAB_BASE. */
export const STRTAB_BASE = bits(64, 'SMMU_STRTAB_BASE', SOURCE, { RA: 62, ADDR: addr(51, 6) })

/** Values of STRTAB_BASE_CFG.FMT. */
export const STRTAB_FORMAT = { linear: 0, twoLevel: 1 } as const

/** SMMU_STRTAB_BASE_CFG. SPLIT: bits of a StreamID that choose an entry of a second-level table: 6, 8 or 10. */
export const STRTAB_BASE_CFG = bits(32, 'SMMU_STRTAB_BASE_CFG', SOURCE, {
  FMT: field([17, 16], 'rw', { 0: 'linear', 1: '2-level' }),
  SPLIT: [10, 6],
  LOG2SIZE: [5, 0],
})

/** SMMU_CMDQ_BASE. */
export const CMDQ_BASE = bits(64, 'SMMU_CMDQ_BASE', SOURCE, { RA: 62, ADDR: addr(51, 5), LOG2SIZE: [4, 0] })

/** SMMU_CMDQ_PROD: an index of LOG2SIZE bits, and the wrap flag above it. */
export const CMDQ_PROD = bits(32, 'SMMU_CMDQ_PROD', SOURCE, { WR: [19, 0] })

/** SMMU_CMDQ_CONS. */
export const CMDQ_CONS = bits(32, 'SMMU_CMDQ_CONS', SOURCE, {
  ERR: field([30, 24], 'rw', { 0: 'CERROR_NONE', 1: 'CERROR_ILL', 2: 'CERROR_ABT', 3: 'CERROR_ATC_INV_SYNC' }),
  RD: [19, 0],
})

/** Values of CMDQ_CONS.ERR. */
export const CERROR = { NONE: 0, ILL: 1, ABT: 2, ATC_INV_SYNC: 3 } as const

/** SMMU_EVENTQ_BASE. */
export const EVENTQ_BASE = bits(64, 'SMMU_EVENTQ_BASE', SOURCE, { WA: 62, ADDR: addr(51, 5), LOG2SIZE: [4, 0] })

/** SMMU_EVENTQ_PROD: OVFLG differs from OVACKFLG while events were lost that software has not heard of. */
export const EVENTQ_PROD = bits(32, 'SMMU_EVENTQ_PROD', SOURCE, { OVFLG: 31, WR: [19, 0] })

/** SMMU_EVENTQ_CONS. */
export const EVENTQ_CONS = bits(32, 'SMMU_EVENTQ_CONS', SOURCE, { OVACKFLG: 31, RD: [19, 0] })

/** Bytes that the two pages of registers take. */
export const MMIO_SIZE = 0x2_0000
/** Where page 1 begins. */
export const PAGE_1 = 0x1_0000

/** Both pages, but for the registers of what is never here: message interrupts (IDR0.MSI), PRI, ATOS and VATOS. */
export const SMMU_REGISTERS = registers('SMMUv3 registers', SOURCE, {
  IDR0: reg32(0x00, 'ro', IDR0),
  IDR1: reg32(0x04, 'ro', IDR1),
  IDR2: reg32(0x08, 'ro'),
  IDR3: reg32(0x0c, 'ro', IDR3),
  IDR4: reg32(0x10, 'ro'),
  IDR5: reg32(0x14, 'ro', IDR5),
  IIDR: reg32(0x18, 'ro', IIDR),
  AIDR: reg32(0x1c, 'ro', AIDR),
  CR0: reg32(0x20, 'rw', CR0),
  CR0ACK: reg32(0x24, 'ro', CR0),
  CR1: reg32(0x28, 'rw', CR1),
  CR2: reg32(0x2c, 'rw', CR2),
  STATUSR: reg32(0x40, 'ro'),
  GBPA: reg32(0x44, 'rw', GBPA),
  IRQ_CTRL: reg32(0x50, 'rw', IRQ_CTRL),
  IRQ_CTRLACK: reg32(0x54, 'ro', IRQ_CTRL),
  GERROR: reg32(0x60, 'ro', GERROR),
  GERRORN: reg32(0x64, 'rw', GERROR),
  STRTAB_BASE: reg64(0x80, 'rw', STRTAB_BASE),
  STRTAB_BASE_CFG: reg32(0x88, 'rw', STRTAB_BASE_CFG),
  CMDQ_BASE: reg64(0x90, 'rw', CMDQ_BASE),
  CMDQ_PROD: reg32(0x98, 'rw', CMDQ_PROD),
  CMDQ_CONS: reg32(0x9c, 'rw', CMDQ_CONS),
  EVENTQ_BASE: reg64(0xa0, 'rw', EVENTQ_BASE),
  EVENTQ_PROD: reg32(0x1_00a8, 'rw', EVENTQ_PROD),
  EVENTQ_CONS: reg32(0x1_00ac, 'rw', EVENTQ_CONS),
})
