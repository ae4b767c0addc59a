import { addr, bits, field, le64, struct } from '@dmascope/layout'

/** Level 1 Stream Table Descriptor. */
export const STREAM_TABLE_DESCRIPTOR = struct('L1STD', 'IHI 0070 §5.1', { word: le64 })

/** Span: 0 is an invalid descriptor, else the table at L2Ptr has 2^(Span - 1) entries. */
export const STREAM_TABLE_DESCRIPTOR_BITS = bits(64, 'L1STD', 'IHI 0070 §5.1', { L2Ptr: addr(51, 6), Span: [4, 0] })

/** Stream Table Entry. Its upper half is about memory partitioning and virtual machines, and not looked at. */
export const STREAM_TABLE_ENTRY = struct('STE', 'IHI 0070 §5.2', {
  word0: le64,
  word1: le64,
  word2: le64,
  word3: le64,
  word4: le64,
  word5: le64,
  word6: le64,
  word7: le64,
})

/** Values of STE.Config; with bit 2 clear every transaction is aborted, without an event. */
export const STE_CONFIG = { abort: 0, bypass: 4, stage1: 5, stage2: 6, nested: 7 } as const

/** STE, bits 63:0. */
export const STE_0 = bits(64, 'STE [63:0]', 'IHI 0070 §5.2', {
  S1CDMax: [63, 59],
  S1ContextPtr: addr(51, 6),
  S1Fmt: [5, 4],
  Config: field([3, 1], 'rw', { 0: 'abort', 4: 'bypass', 5: 'stage 1', 6: 'stage 2', 7: 'stage 1 and 2' }),
  V: 0,
})

/** STE, bits 127:64. */
export const STE_1 = bits(64, 'STE [127:64]', 'IHI 0070 §5.2', {
  INSTCFG: [51, 50],
  PRIVCFG: field([49, 48], 'rw', { 0: 'incoming', 1: 'incoming', 2: 'unprivileged', 3: 'privileged' }),
  NSCFG: [47, 46],
  SHCFG: field([45, 44], 'rw', { 0: 'non-shareable', 1: 'incoming', 2: 'outer', 3: 'inner' }),
  ALLOCCFG: [40, 37],
  MTCFG: 36,
  MemAttr: [35, 32],
  STRW: [31, 30],
  EATS: [29, 28],
  S1STALLD: 27,
  MEV: 19,
  S1CSH: [7, 6],
  S1COR: [5, 4],
  S1CIR: [3, 2],
  S1DSS: [1, 0],
})

/** STE, bits 191:128. */
export const STE_2 = bits(64, 'STE [191:128]', 'IHI 0070 §5.2', {
  S2R: 58,
  S2S: 57,
  S2HA: 56,
  S2HD: 55,
  S2PTW: 54,
  S2AFFD: 53,
  S2ENDI: 52,
  S2AA64: 51,
  S2PS: [50, 48],
  S2TG: field([47, 46], 'rw', { 0: '4 KiB', 1: '64 KiB', 2: '16 KiB' }),
  S2SH0: [45, 44],
  S2OR0: [43, 42],
  S2IR0: [41, 40],
  S2SL0: [39, 38],
  S2T0SZ: [37, 32],
  S2VMID: [15, 0],
})

/** STE, bits 255:192. */
export const STE_3 = bits(64, 'STE [255:192]', 'IHI 0070 §5.2', { S2TTB: addr(51, 4) })

/** Context Descriptor. */
export const CONTEXT_DESCRIPTOR = struct('CD', 'IHI 0070 §5.4', {
  word0: le64,
  word1: le64,
  word2: le64,
  word3: le64,
  word4: le64,
  word5: le64,
  word6: le64,
  word7: le64,
})

/** CD, bits 63:0. */
export const CD_0 = bits(64, 'CD [63:0]', 'IHI 0070 §5.4', {
  ASID: [63, 48],
  ASET: 47,
  A: 46,
  R: 45,
  S: 44,
  HA: 43,
  HD: 42,
  AA64: 41,
  TBI1: 39,
  TBI0: 38,
  AFFD: 35,
  IPS: [34, 32],
  V: 31,
  EPD1: 30,
  SH1: [29, 28],
  OR1: [27, 26],
  IR1: [25, 24],
  TG1: field([23, 22], 'rw', { 1: '16 KiB', 2: '4 KiB', 3: '64 KiB' }),
  T1SZ: [21, 16],
  ENDI: 15,
  EPD0: 14,
  SH0: [13, 12],
  OR0: [11, 10],
  IR0: [9, 8],
  TG0: field([7, 6], 'rw', { 0: '4 KiB', 1: '64 KiB', 2: '16 KiB' }),
  T0SZ: [5, 0],
})

/** CD, bits 127:64: the tables of low addresses. HAD0: the AP bits of table descriptors do not count. */
export const CD_1 = bits(64, 'CD [127:64]', 'IHI 0070 §5.4', { TTB0: addr(51, 4), HAD0: 1, NSCFG0: 0 })

/** CD, bits 191:128: the tables of high addresses. */
export const CD_2 = bits(64, 'CD [191:128]', 'IHI 0070 §5.4', { TTB1: addr(51, 4), HAD1: 1, NSCFG1: 0 })

/** CD, bits 255:192: memory attributes, which nothing here looks at. */
export const CD_3 = bits(64, 'CD [255:192]', 'IHI 0070 §5.4', { MAIR: [31, 0] })

/** log2 of the granule, by CD.TG0 and STE.S2TG, and by CD.TG1; 0 is reserved. */
export const TG0_GRANULES = [12, 16, 14, 0] as const
export const TG1_GRANULES = [0, 14, 12, 16] as const

/** A descriptor of a VMSAv8-64 translation table. */
export const TRANSLATION_DESCRIPTOR = struct('VMSAv8-64 descriptor', 'DDI 0487, VMSAv8-64 descriptor formats', {
  word: le64,
})

/** Bits 1:0 of a descriptor. At level 3 `table` stands for a page, and `block` is reserved. */
export const DESCRIPTOR_TYPE = { block: 1, table: 3, page: 3 } as const

/** Stage 1 descriptors: APTable counts in those that lead to a table, the rest in those of blocks and pages. */
export const STAGE_1_DESCRIPTOR_BITS = bits(64, 'stage 1 descriptor', 'DDI 0487, VMSAv8-64 descriptor formats', {
  APTable: field([62, 61], 'rw', { 0: 'no effect', 1: 'not unprivileged', 2: 'read-only', 3: 'privileged read-only' }),
  UXN: 54,
  PXN: 53,
  Contiguous: 52,
  Address: addr(47, 12),
  nG: 11,
  AF: 10,
  SH: [9, 8],
  AP: field([7, 6], 'rw', { 0: 'privileged', 1: 'read-write', 2: 'privileged read-only', 3: 'read-only' }),
  NS: 5,
  AttrIndx: [4, 2],
  Type: [1, 0],
})

/** Stage 2 descriptors of blocks and pages. */
export const STAGE_2_DESCRIPTOR_BITS = bits(64, 'stage 2 descriptor', 'DDI 0487, VMSAv8-64 descriptor formats', {
  XN: [54, 53],
  Contiguous: 52,
  Address: addr(47, 12),
  AF: 10,
  SH: [9, 8],
  S2AP: field([7, 6], 'rw', { 0: 'none', 1: 'read-only', 2: 'write-only', 3: 'read-write' }),
  MemAttr: [5, 2],
  Type: [1, 0],
})
