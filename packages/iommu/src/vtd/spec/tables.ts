import { addr, bits, field, le64, struct } from '@dmascope/layout'

/** Root entry: one per bus, 256 in the 4 KiB root table. */
export const ROOT_ENTRY = struct('root_entry', 'VT-d 4.1 §9.1', { low: le64, high: le64 })

/** Root entry, bits 63:0. Bits 127:64 are reserved. */
export const ROOT_ENTRY_LOW = bits(64, 'root_entry [63:0]', 'VT-d 4.1 §9.1', { CTP: addr(63, 12), P: 0 })

/** Context entry: one per device and function of a bus, 256 in the 4 KiB context table. */
export const CONTEXT_ENTRY = struct('context_entry', 'VT-d 4.1 §9.3', { low: le64, high: le64 })

/** Values of context_entry.TT. */
export const TRANSLATION_TYPE = { untranslatedOnly: 0, deviceTlb: 1, passThrough: 2 } as const

/** Context entry, bits 63:0. */
export const CONTEXT_ENTRY_LOW = bits(64, 'context_entry [63:0]', 'VT-d 4.1 §9.3', {
  SSPTPTR: addr(63, 12),
  TT: field([3, 2], 'rw', { 0: 'second-stage', 1: 'second-stage and device-TLB', 2: 'pass-through' }),
  FPD: 1,
  P: 0,
})

/** Values of context_entry.AW: how wide the addresses are that the tables translate. */
export const ADDRESS_WIDTH = { 39: 1, 48: 2, 57: 3 } as const

/** Context entry, bits 127:64. */
export const CONTEXT_ENTRY_HIGH = bits(64, 'context_entry [127:64]', 'VT-d 4.1 §9.3', {
  DID: [23, 8],
  AVAIL: [6, 3],
  AW: field([2, 0], 'rw', { 1: '39 bits, 3 levels', 2: '48 bits, 4 levels', 3: '57 bits, 5 levels' }),
})

/** Second-stage paging entry: 512 in a 4 KiB table; each level translates 9 address bits. */
export const SECOND_STAGE_ENTRY = struct('second_stage_entry', 'VT-d 4.1 §9.8', { value: le64 })

/**
 * Second-stage paging entry. PS makes an entry of the second level a 2 MiB page and one of the third a 1 GiB page;
 * SNP is a leaf's where ECAP.SC is set, and reserved elsewhere.
 */
export const SECOND_STAGE_ENTRY_BITS = bits(64, 'second_stage_entry', 'VT-d 4.1 §9.8', {
  ADDR: addr(51, 12),
  SNP: 11,
  D: 9,
  A: 8,
  PS: 7,
  IPAT: 6,
  EMT: [5, 3],
  X: 2,
  W: 1,
  R: 0,
})
