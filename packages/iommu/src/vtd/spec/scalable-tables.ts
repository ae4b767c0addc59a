import { addr, bits, field, le64, struct } from '@dmascope/layout'

/**
 * Scalable-mode root entry, one per bus: `low` leads to the context table of functions 00.0 to 0f.7, `high` to that of
 * 10.0 to 1f.7. Each table has 128 entries.
 */
export const SCALABLE_ROOT_ENTRY = struct('scalable_mode_root_entry', 'VT-d 4.1 §9.2', { low: le64, high: le64 })

/** Either half of a scalable-mode root entry. */
export const SCALABLE_ROOT_ENTRY_HALF = bits(64, 'scalable_mode_root_entry half', 'VT-d 4.1 §9.2', {
  CTP: addr(63, 12),
  P: 0,
})

/** Scalable-mode context entry, 256 bits. The upper two words are reserved. */
export const SCALABLE_CONTEXT_ENTRY = struct('scalable_mode_context_entry', 'VT-d 4.1 §9.4', {
  low: le64,
  high: le64,
  reserved_128: le64,
  reserved_192: le64,
})

/** Scalable-mode context entry, bits 63:0. The PASID directory has 2^(PDTS + 7) entries. */
export const SCALABLE_CONTEXT_ENTRY_LOW = bits(64, 'scalable_mode_context_entry [63:0]', 'VT-d 4.1 §9.4', {
  PASIDDIRPTR: addr(63, 12),
  PDTS: [11, 9],
  PRE: 4,
  PASIDE: 3,
  DTE: 2,
  FPD: 1,
  P: 0,
})

/** Scalable-mode context entry, bits 127:64. RID_PASID stands in for the PASID of requests that have none. */
export const SCALABLE_CONTEXT_ENTRY_HIGH = bits(64, 'scalable_mode_context_entry [127:64]', 'VT-d 4.1 §9.4', {
  RID_PRIV: 20,
  RID_PASID: [19, 0],
})

/** PASID directory entry: leads to a table of 64 PASIDs. */
export const PASID_DIRECTORY_ENTRY = struct('scalable_mode_pasid_directory_entry', 'VT-d 4.1 §9.5', { value: le64 })

export const PASID_DIRECTORY_ENTRY_BITS = bits(64, 'scalable_mode_pasid_directory_entry', 'VT-d 4.1 §9.5', {
  SMPTBLPTR: addr(63, 12),
  FPD: 1,
  P: 0,
})

/** Scalable-mode PASID table entry, 512 bits, of which the upper five words are reserved. */
export const PASID_TABLE_ENTRY = struct('scalable_mode_pasid_table_entry', 'VT-d 4.1 §9.6', {
  low: le64,
  middle: le64,
  high: le64,
  reserved_192: le64,
  reserved_256: le64,
  reserved_320: le64,
  reserved_384: le64,
  reserved_448: le64,
})

/** Values of PGTT, the PASID granular translation type. */
export const PASID_TRANSLATION_TYPE = { firstStage: 1, secondStage: 2, nested: 3, passThrough: 4 } as const

/** PASID table entry, bits 63:0: the second stage. */
export const PASID_TABLE_ENTRY_LOW = bits(64, 'scalable_mode_pasid_table_entry [63:0]', 'VT-d 4.1 §9.6', {
  SSPTPTR: addr(63, 12),
  SSADE: 9,
  PGTT: field([8, 6], 'rw', { 1: 'first-stage', 2: 'second-stage', 3: 'nested', 4: 'pass-through' }),
  AW: field([4, 2], 'rw', { 1: '39 bits, 3 levels', 2: '48 bits, 4 levels', 3: '57 bits, 5 levels' }),
  FPD: 1,
  P: 0,
})

/** PASID table entry, bits 127:64. */
export const PASID_TABLE_ENTRY_MIDDLE = bits(64, 'scalable_mode_pasid_table_entry [127:64]', 'VT-d 4.1 §9.6', {
  PGSNP: 24,
  PWSNP: 23,
  DID: [15, 0],
})

/** PASID table entry, bits 191:128: the first stage. */
export const PASID_TABLE_ENTRY_HIGH = bits(64, 'scalable_mode_pasid_table_entry [191:128]', 'VT-d 4.1 §9.6', {
  FSPTPTR: addr(63, 12),
  EAFE: 7,
  WPE: 4,
  FSPM: field([3, 2], 'rw', { 0: '4 levels', 1: '5 levels' }),
  SRE: 0,
})

/** First-stage paging entry: 512 in a 4 KiB table, in the form of the processors' own. */
export const FIRST_STAGE_ENTRY = struct('first_stage_entry', 'VT-d 4.1 §9.7', { value: le64 })

/** PS makes an entry of the second level a 2 MiB page and one of the third a 1 GiB page. */
export const FIRST_STAGE_ENTRY_BITS = bits(64, 'first_stage_entry', 'VT-d 4.1 §9.7', {
  XD: 63,
  ADDR: addr(51, 12),
  EA: 10,
  G: 8,
  PS: 7,
  D: 6,
  A: 5,
  PCD: 4,
  PWT: 3,
  U_S: 2,
  R_W: 1,
  P: 0,
})
