import { addr, bits, field, reg32, reg64, registers } from '@dmascope/layout'
import { CAP, ECAP, VER } from './capabilities.ts'

const SOURCE = 'VT-d 4.1, register descriptions'

/** Global Command Register, GCMD_REG: one command per write; the other bits repeat what GSTS says. */
export const GCMD = bits(32, 'GCMD_REG', SOURCE, {
  TE: 31,
  SRTP: 30,
  SFL: 29,
  EAFL: 28,
  WBF: 27,
  QIE: 26,
  IRE: 25,
  SIRTP: 24,
  CFI: 23,
})

/** Global Status Register, GSTS_REG. */
export const GSTS = bits(32, 'GSTS_REG', SOURCE, {
  TES: 31,
  RTPS: 30,
  FLS: 29,
  AFLS: 28,
  WBFS: 27,
  QIES: 26,
  IRES: 25,
  IRTPS: 24,
  CFIS: 23,
})

/** Root Table Address Register, RTADDR_REG: latched by GCMD.SRTP. */
export const RTADDR = bits(64, 'RTADDR_REG', SOURCE, {
  RTA: addr(63, 12),
  TTM: field([11, 10], 'rw', { 0: 'legacy', 1: 'scalable', 3: 'abort DMA' }),
})

/** Values of RTADDR.TTM. */
export const TABLE_MODE = { legacy: 0, scalable: 1, abortDma: 3 } as const

/** Values of CCMD.CIRG and of the context-cache invalidation descriptor's G. */
export const CONTEXT_GRANULARITY = { global: 1, domain: 2, device: 3 } as const

/** Context Command Register, CCMD_REG: register-based invalidation of the context-cache. */
export const CCMD = bits(64, 'CCMD_REG', SOURCE, {
  ICC: field(63, 'rw'),
  CIRG: field([62, 61], 'rw', { 1: 'global', 2: 'domain', 3: 'device' }),
  CAIG: field([60, 59], 'ro', { 0: 'none', 1: 'global', 2: 'domain', 3: 'device' }),
  FM: field([33, 32], 'wo'),
  SID: field([31, 16], 'wo'),
  DID: field([15, 0], 'rw'),
})

/** Fault Status Register, FSTS_REG. */
export const FSTS = bits(32, 'FSTS_REG', SOURCE, {
  FRI: field([15, 8], 'ro'),
  ITE: field(6, 'rw1c'),
  ICE: field(5, 'rw1c'),
  IQE: field(4, 'rw1c'),
  APF: field(3, 'ro'),
  AFO: field(2, 'ro'),
  PPF: field(1, 'ro'),
  PFO: field(0, 'rw1c'),
})

/** Fault Event Control Register, FECTL_REG; IECTL_REG has the same fields. */
export const FECTL = bits(32, 'FECTL_REG', SOURCE, { IM: field(31, 'rw'), IP: field(30, 'ro') })

/** Invalidation Event Control Register, IECTL_REG. */
export const IECTL = bits(32, 'IECTL_REG', SOURCE, { IM: field(31, 'rw'), IP: field(30, 'ro') })

/** Event data: EIMD is there where messages have 32-bit data. */
export const EVENT_DATA = bits(32, 'FEDATA_REG', SOURCE, { EIMD: [31, 16], IMD: [15, 0] })

/** Event address. */
export const EVENT_ADDRESS = bits(32, 'FEADDR_REG', SOURCE, { MA: addr(31, 2) })

/** Protected Memory Enable Register, PMEN_REG: the regions are closed while PRS is set, also with translation off. */
export const PMEN = bits(32, 'PMEN_REG', SOURCE, { EPM: field(31, 'rw'), PRS: field(0, 'ro') })

/** Bases and limits of the protected regions count 2 MiB: the lower bits of a base read as 0 and mean 0, of a limit 1. */
export const PROTECTED_MEMORY_GRANULE_LOG2 = 21
export const PLMBASE = bits(32, 'PLMBASE_REG', SOURCE, { PLMB: { range: [31, 21], address: true, access: 'rw' } })
export const PLMLIMIT = bits(32, 'PLMLIMIT_REG', SOURCE, { PLML: { range: [31, 21], address: true, access: 'rw' } })
export const PHMBASE = bits(64, 'PHMBASE_REG', SOURCE, { PHMB: { range: [63, 21], address: true, access: 'rw' } })
export const PHMLIMIT = bits(64, 'PHMLIMIT_REG', SOURCE, { PHML: { range: [63, 21], address: true, access: 'rw' } })

/** Invalidation Queue Head and Tail Registers, IQH_REG and IQT_REG: byte offsets into the queue. */
export const IQH = bits(64, 'IQH_REG', SOURCE, { QH: addr(18, 4) })
export const IQT = bits(64, 'IQT_REG', SOURCE, { QT: addr(18, 4) })

/** Invalidation Queue Address Register, IQA_REG: 2^QS pages of 4 KiB. */
export const IQA = bits(64, 'IQA_REG', SOURCE, { IQA: addr(63, 12), DW: 11, QS: [2, 0] })

/** Invalidation Completion Status Register, ICS_REG. */
export const ICS = bits(32, 'ICS_REG', SOURCE, { IWC: field(0, 'rw1c') })

/** Invalidation Queue Error Record Register, IQERCD_REG. */
export const IQERCD = bits(64, 'IQERCD_REG', SOURCE, { ITESID: [63, 48], ICESID: [47, 32], IQEI: [3, 0] })

/** Interrupt Remapping Table Address Register, IRTA_REG: 2^(S+1) entries; latched by GCMD.SIRTP. */
export const IRTA = bits(64, 'IRTA_REG', SOURCE, { IRTA: addr(63, 12), EIME: 11, S: [3, 0] })

/** The register file, but for the registers whose place CAP.FRO and ECAP.IRO tell. */
export const VTD_REGISTERS = registers('VT-d remapping registers', SOURCE, {
  VER: reg32(0x00, 'ro', VER, 0x10),
  CAP: reg64(0x08, 'ro', CAP),
  ECAP: reg64(0x10, 'ro', ECAP),
  GCMD: reg32(0x18, 'wo', GCMD),
  GSTS: reg32(0x1c, 'ro', GSTS),
  RTADDR: reg64(0x20, 'rw', RTADDR),
  CCMD: reg64(0x28, 'rw', CCMD),
  FSTS: reg32(0x34, 'ro', FSTS),
  FECTL: reg32(0x38, 'rw', FECTL, 0x8000_0000),
  FEDATA: reg32(0x3c, 'rw', EVENT_DATA),
  FEADDR: reg32(0x40, 'rw', EVENT_ADDRESS),
  FEUADDR: reg32(0x44, 'rw'),
  AFLOG: reg64(0x58, 'ro'),
  PMEN: reg32(0x64, 'ro', PMEN),
  PLMBASE: reg32(0x68, 'ro'),
  PLMLIMIT: reg32(0x6c, 'ro'),
  PHMBASE: reg64(0x70, 'ro'),
  PHMLIMIT: reg64(0x78, 'ro'),
  IQH: reg64(0x80, 'ro', IQH),
  IQT: reg64(0x88, 'rw', IQT),
  IQA: reg64(0x90, 'rw', IQA),
  ICS: reg32(0x9c, 'ro', ICS),
  IECTL: reg32(0xa0, 'rw', IECTL, 0x8000_0000),
  IEDATA: reg32(0xa4, 'rw', EVENT_DATA),
  IEADDR: reg32(0xa8, 'rw', EVENT_ADDRESS),
  IEUADDR: reg32(0xac, 'rw'),
  IQERCD: reg64(0xb0, 'ro', IQERCD),
  IRTA: reg64(0xb8, 'rw', IRTA),
})

/** Where CAP.PLMR and CAP.PHMR are set; else all of them are read-only. */
export const PROTECTED_MEMORY_REGISTERS = registers('VT-d protected memory registers', SOURCE, {
  PMEN: reg32(0x64, 'rw', PMEN),
  PLMBASE: reg32(0x68, 'rw', PLMBASE),
  PLMLIMIT: reg32(0x6c, 'rw', PLMLIMIT),
  PHMBASE: reg64(0x70, 'rw', PHMBASE),
  PHMLIMIT: reg64(0x78, 'rw', PHMLIMIT),
})

/** Invalidate Address Register, IVA_REG. */
export const IVA = bits(64, 'IVA_REG', SOURCE, {
  ADDR: { range: [63, 12], address: true, access: 'wo' },
  IH: field(6, 'wo'),
  AM: field([5, 0], 'wo'),
})

/** Values of IOTLB.IIRG and of the IOTLB invalidation descriptor's G. */
export const IOTLB_GRANULARITY = { global: 1, domain: 2, page: 3 } as const

/** IOTLB Invalidate Register, IOTLB_REG. */
export const IOTLB = bits(64, 'IOTLB_REG', SOURCE, {
  IVT: field(63, 'rw'),
  IIRG: field([61, 60], 'rw', { 1: 'global', 2: 'domain', 3: 'page' }),
  IAIG: field([58, 57], 'ro', { 0: 'none', 1: 'global', 2: 'domain', 3: 'page' }),
  DR: field(49, 'rw'),
  DW: field(48, 'rw'),
  DID: field([47, 32], 'rw'),
})

/** At ECAP.IRO * 16. */
export const IOTLB_REGISTERS = registers('VT-d IOTLB registers', SOURCE, {
  IVA: reg64(0x00, 'wo', IVA),
  IOTLB: reg64(0x08, 'rw', IOTLB),
})

/** Fault Recording Register, FRCD_REG, low and high half. FI of an interrupt fault holds its index in bits 63:48. */
export const FRCD_LOW = bits(64, 'FRCD_REG [63:0]', SOURCE, { FI: addr(63, 12) })
export const FRCD_HIGH = bits(64, 'FRCD_REG [127:64]', SOURCE, {
  F: field(63, 'rw1c'),
  T1: field(62, 'ro', { 0: 'write', 1: 'read' }),
  AT: field([61, 60], 'ro'),
  PV: field([59, 40], 'ro'),
  FR: field([39, 32], 'ro'),
  PP: field(31, 'ro'),
  EXE: field(30, 'ro'),
  PRIV: field(29, 'ro'),
  T2: field(28, 'ro'),
  SID: field([15, 0], 'ro'),
})

/** One fault recording register; number n stands at CAP.FRO * 16 + n * 16. */
export const FAULT_RECORDING = registers('VT-d fault recording register', SOURCE, {
  FRCD_LOW: reg64(0x00, 'ro', FRCD_LOW),
  FRCD_HIGH: reg64(0x08, 'ro', FRCD_HIGH),
})
