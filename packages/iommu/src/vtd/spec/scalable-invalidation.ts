import { addr, bits, field, le64, struct } from '@dmascope/layout'

/** A descriptor of the invalidation queue with IQA.DW set, 256 bits wide: bits 255:128 are reserved in all of them. */
export const WIDE_INVALIDATION_DESCRIPTOR = struct('invalidation_descriptor (256 bits)', 'VT-d 4.1 §6.5.2', {
  low: le64,
  high: le64,
  reserved_128: le64,
  reserved_192: le64,
})

/** Values of the PASID-cache invalidation descriptor's G. */
export const PASID_CACHE_GRANULARITY = { domain: 0, pasid: 1, global: 3 } as const

/** PASID-cache Invalidate Descriptor. Bits 127:64 are reserved. */
export const PASID_CACHE_DESCRIPTOR = bits(64, 'pc_inv_dsc [63:0]', 'VT-d 4.1 §6.5.2.2', {
  PASID: [51, 32],
  DID: [31, 16],
  TYPE_6_4: [11, 9],
  G: field([5, 4], 'rw', { 0: 'domain', 1: 'PASID', 3: 'global' }),
  TYPE_3_0: [3, 0],
})

/** Values of the PASID-based-IOTLB invalidation descriptor's G. */
export const PASID_IOTLB_GRANULARITY = { pasid: 2, page: 3 } as const

/** PASID-based-IOTLB Invalidate Descriptor, bits 63:0. */
export const PASID_IOTLB_DESCRIPTOR = bits(64, 'p_iotlb_inv_dsc [63:0]', 'VT-d 4.1 §6.5.2.4', {
  PASID: [51, 32],
  DID: [31, 16],
  TYPE_6_4: [11, 9],
  G: field([5, 4], 'rw', { 2: 'PASID', 3: 'page' }),
  TYPE_3_0: [3, 0],
})

/** PASID-based-IOTLB Invalidate Descriptor, bits 127:64. 2^AM pages from ADDR; IH: only leaf entries were changed. */
export const PASID_IOTLB_DESCRIPTOR_HIGH = bits(64, 'p_iotlb_inv_dsc [127:64]', 'VT-d 4.1 §6.5.2.4', {
  ADDR: addr(63, 12),
  IH: 6,
  AM: [5, 0],
})

/** PASID-based-Device-TLB Invalidate Descriptor, bits 63:0. */
export const PASID_DEVICE_TLB_DESCRIPTOR = bits(64, 'p_dev_tlb_inv_dsc [63:0]', 'VT-d 4.1 §6.5.2.6', {
  PFSID_15_4: [63, 52],
  PASID: [51, 32],
  SID: [31, 16],
  PFSID_3_0: [15, 12],
  TYPE_6_4: [11, 9],
  MIP: [8, 4],
  TYPE_3_0: [3, 0],
})

/** PASID-based-Device-TLB Invalidate Descriptor, bits 127:64. With S, ADDR tells the size; G: of all PASIDs. */
export const PASID_DEVICE_TLB_DESCRIPTOR_HIGH = bits(64, 'p_dev_tlb_inv_dsc [127:64]', 'VT-d 4.1 §6.5.2.6', {
  ADDR: addr(63, 12),
  S: 11,
  G: 0,
})
