import { addr, bits, field, le64, struct } from '@dmascope/layout'

/** A descriptor of the invalidation queue, 128 bits wide. */
export const INVALIDATION_DESCRIPTOR = struct('invalidation_descriptor', 'VT-d 4.1 §6.5.2', { low: le64, high: le64 })

/** Values of a descriptor's Type: bits 11:9 and 3:0. */
export const DESCRIPTOR_TYPE = {
  contextCache: 1,
  iotlb: 2,
  deviceTlb: 3,
  interruptEntryCache: 4,
  wait: 5,
  pasidIotlb: 6,
  pasidCache: 7,
  pasidDeviceTlb: 8,
  pageGroupResponse: 9,
} as const

/** What every descriptor begins with. */
export const DESCRIPTOR_HEADER = bits(64, 'invalidation_descriptor [63:0]', 'VT-d 4.1 §6.5.2', {
  TYPE_6_4: [11, 9],
  TYPE_3_0: [3, 0],
})

/** Context-cache Invalidate Descriptor. Bits 127:64 are reserved. */
export const CONTEXT_CACHE_DESCRIPTOR = bits(64, 'cc_inv_dsc [63:0]', 'VT-d 4.1 §6.5.2.1', {
  FM: [49, 48],
  SID: [47, 32],
  DID: [31, 16],
  TYPE_6_4: [11, 9],
  G: field([5, 4], 'rw', { 1: 'global', 2: 'domain', 3: 'device' }),
  TYPE_3_0: [3, 0],
})

/** IOTLB Invalidate Descriptor, bits 63:0. */
export const IOTLB_DESCRIPTOR = bits(64, 'iotlb_inv_dsc [63:0]', 'VT-d 4.1 §6.5.2.3', {
  DID: [31, 16],
  TYPE_6_4: [11, 9],
  DR: 7,
  DW: 6,
  G: field([5, 4], 'rw', { 1: 'global', 2: 'domain', 3: 'page' }),
  TYPE_3_0: [3, 0],
})

/** IOTLB Invalidate Descriptor, bits 127:64. 2^AM pages from ADDR; IH: only leaf entries were changed. */
export const IOTLB_DESCRIPTOR_HIGH = bits(64, 'iotlb_inv_dsc [127:64]', 'VT-d 4.1 §6.5.2.3', {
  ADDR: addr(63, 12),
  IH: 6,
  AM: [5, 0],
})

/** Device-TLB Invalidate Descriptor, bits 63:0. */
export const DEVICE_TLB_DESCRIPTOR = bits(64, 'dev_tlb_inv_dsc [63:0]', 'VT-d 4.1 §6.5.2.5', {
  PFSID_15_4: [63, 52],
  SID: [47, 32],
  MIP: [20, 16],
  PFSID_3_0: [15, 12],
  TYPE_6_4: [11, 9],
  TYPE_3_0: [3, 0],
})

/** Device-TLB Invalidate Descriptor, bits 127:64. With S, the lowest clear bit of ADDR from 12 up tells the size. */
export const DEVICE_TLB_DESCRIPTOR_HIGH = bits(64, 'dev_tlb_inv_dsc [127:64]', 'VT-d 4.1 §6.5.2.5', {
  ADDR: addr(63, 12),
  S: 0,
})

/** Interrupt Entry Cache Invalidate Descriptor: 2^IM entries from IIDX. Bits 127:64 are reserved. */
export const INTERRUPT_ENTRY_CACHE_DESCRIPTOR = bits(64, 'iec_inv_dsc [63:0]', 'VT-d 4.1 §6.5.2.7', {
  IIDX: [47, 32],
  IM: [31, 27],
  TYPE_6_4: [11, 9],
  G: field(4, 'rw', { 0: 'global', 1: 'index' }),
  TYPE_3_0: [3, 0],
})

/** Invalidation Wait Descriptor, bits 63:0. */
export const WAIT_DESCRIPTOR = bits(64, 'inv_wait_dsc [63:0]', 'VT-d 4.1 §6.5.2.8', {
  STATUS_DATA: [63, 32],
  TYPE_6_4: [11, 9],
  PD: 7,
  FN: 6,
  SW: 5,
  IF: 4,
  TYPE_3_0: [3, 0],
})

/** Invalidation Wait Descriptor, bits 127:64. */
export const WAIT_DESCRIPTOR_HIGH = bits(64, 'inv_wait_dsc [127:64]', 'VT-d 4.1 §6.5.2.8', {
  STATUS_ADDRESS: addr(63, 2),
})
