import { bits, field } from '@dmascope/layout'

const SOURCE = 'IHI 0070 §6.3'

/** SMMU_IDR0: stages, formats and transports. */
export const IDR0 = bits(32, 'SMMU_IDR0', SOURCE, {
  ST_LEVEL: field([28, 27], 'ro', { 0: 'linear', 1: 'linear and 2-level' }),
  TERM_MODEL: field(26, 'ro', { 0: 'CD.A chooses', 1: 'always aborted' }),
  STALL_MODEL: field([25, 24], 'ro', { 0: 'stall and terminate', 1: 'terminate', 2: 'stall' }),
  TTENDIAN: field([22, 21], 'ro', { 0: 'mixed', 2: 'little', 3: 'big' }),
  VATOS: 20,
  CD2L: 19,
  VMID16: 18,
  VMW: 17,
  PRI: 16,
  ATOS: 15,
  SEV: 14,
  MSI: 13,
  ASID16: 12,
  NS1ATS: 11,
  ATS: 10,
  Hyp: 9,
  DORMHINT: 8,
  HTTU: [7, 6],
  BTM: 5,
  COHACC: 4,
  TTF: field([3, 2], 'ro', { 1: 'AArch32', 2: 'AArch64', 3: 'AArch32 and AArch64' }),
  S1P: 1,
  S2P: 0,
})

/** SMMU_IDR1: sizes, as log2. */
export const IDR1 = bits(32, 'SMMU_IDR1', SOURCE, {
  TABLES_PRESET: 30,
  QUEUES_PRESET: 29,
  REL: 28,
  CMDQS: [25, 21],
  EVENTQS: [20, 16],
  PRIQS: [15, 11],
  SSIDSIZE: [10, 6],
  SIDSIZE: [5, 0],
})

/** SMMU_IDR3. */
export const IDR3 = bits(32, 'SMMU_IDR3', SOURCE, {
  BBML: field([12, 11], 'ro', { 0: 'level 0', 1: 'level 1', 2: 'level 2' }),
  RIL: 10,
  STT: 9,
  FWB: 8,
  XNX: 4,
  HAD: 2,
})

/** SMMU_IDR5: granules and the output address size. */
export const IDR5 = bits(32, 'SMMU_IDR5', SOURCE, {
  STALL_MAX: [31, 16],
  VAX: [11, 10],
  GRAN64K: 6,
  GRAN16K: 5,
  GRAN4K: 4,
  OAS: [2, 0],
})

/** Bits of an address, by the encoding of IDR5.OAS, CD.IPS and STE.S2PS. 6 stands for 52, which needs more than this. */
export const ADDRESS_SIZES = [32, 36, 40, 42, 44, 48] as const

/** SMMU_IIDR. */
export const IIDR = bits(32, 'SMMU_IIDR', SOURCE, {
  ProductID: [31, 20],
  Variant: [19, 16],
  Revision: [15, 12],
  Implementer: [11, 0],
})

/** SMMU_AIDR. */
export const AIDR = bits(32, 'SMMU_AIDR', SOURCE, { ArchMajorRev: [7, 4], ArchMinorRev: [3, 0] })
