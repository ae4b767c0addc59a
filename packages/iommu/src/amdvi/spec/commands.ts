import { addr, bits, field, le64, struct } from '@dmascope/layout'

/** A command of the command buffer. */
export const COMMAND = struct('command', 'AMD IOMMU 3.07 §2.4', { low: le64, high: le64 })

/** Values of OpCode. */
export const OPCODE = {
  COMPLETION_WAIT: 1,
  INVALIDATE_DEVTAB_ENTRY: 2,
  INVALIDATE_IOMMU_PAGES: 3,
  INVALIDATE_IOTLB_PAGES: 4,
  INVALIDATE_INTERRUPT_TABLE: 5,
  PREFETCH_IOMMU_PAGES: 6,
  COMPLETE_PPR_REQUEST: 7,
  INVALIDATE_IOMMU_ALL: 8,
} as const

const OpCode = field([63, 60], 'rw', Object.fromEntries(Object.entries(OPCODE).map(([name, value]) => [value, name])))

/** What every command begins with. */
export const COMMAND_HEADER = bits(64, 'command [63:0]', 'AMD IOMMU 3.07 §2.4', { OpCode })

/** COMPLETION_WAIT, bits 63:0; bits 127:64 are the data to store. */
export const COMPLETION_WAIT = bits(64, 'COMPLETION_WAIT [63:0]', 'AMD IOMMU 3.07 §2.4.1', {
  OpCode,
  StoreAddress: addr(51, 3),
  f: 2,
  i: 1,
  s: 0,
})

/** INVALIDATE_DEVTAB_ENTRY. Bits 127:64 are reserved. */
export const INVALIDATE_DEVTAB_ENTRY = bits(64, 'INVALIDATE_DEVTAB_ENTRY [63:0]', 'AMD IOMMU 3.07 §2.4', {
  OpCode,
  DeviceID: [15, 0],
})

/** INVALIDATE_IOMMU_PAGES, bits 63:0. */
export const INVALIDATE_IOMMU_PAGES = bits(64, 'INVALIDATE_IOMMU_PAGES [63:0]', 'AMD IOMMU 3.07 §2.4', {
  OpCode,
  DomainID: [47, 32],
  PASID: [19, 0],
})

/**
 * INVALIDATE_IOMMU_PAGES, bits 127:64. With S, the lowest clear bit of Address, from bit 12 up, tells the size: 8 KiB for
 * bit 12, and so on. PDE: directory entries too.
 */
export const INVALIDATE_IOMMU_PAGES_HIGH = bits(64, 'INVALIDATE_IOMMU_PAGES [127:64]', 'AMD IOMMU 3.07 §2.4', {
  Address: addr(63, 12),
  GN: 2,
  PDE: 1,
  S: 0,
})

/** INVALIDATE_IOTLB_PAGES, bits 63:0: for the device's own TLB. */
export const INVALIDATE_IOTLB_PAGES = bits(64, 'INVALIDATE_IOTLB_PAGES [63:0]', 'AMD IOMMU 3.07 §2.4', {
  OpCode,
  PASID_19_16: [59, 56],
  PASID_7_0: [55, 48],
  QueueID: [47, 32],
  MaxPend: [31, 24],
  PASID_15_8: [23, 16],
  DeviceID: [15, 0],
})

/** INVALIDATE_IOTLB_PAGES, bits 127:64. */
export const INVALIDATE_IOTLB_PAGES_HIGH = bits(64, 'INVALIDATE_IOTLB_PAGES [127:64]', 'AMD IOMMU 3.07 §2.4', {
  Address: addr(63, 12),
  Type: [5, 4],
  GN: 2,
  S: 0,
})

/** INVALIDATE_INTERRUPT_TABLE. Bits 127:64 are reserved. */
export const INVALIDATE_INTERRUPT_TABLE = bits(64, 'INVALIDATE_INTERRUPT_TABLE [63:0]', 'AMD IOMMU 3.07 §2.4', {
  OpCode,
  DeviceID: [15, 0],
})

/** PREFETCH_IOMMU_PAGES, bits 63:0. */
export const PREFETCH_IOMMU_PAGES = bits(64, 'PREFETCH_IOMMU_PAGES [63:0]', 'AMD IOMMU 3.07 §2.4', {
  OpCode,
  PASID: [51, 32],
  PFCount: [31, 24],
  DeviceID: [15, 0],
})

/** PREFETCH_IOMMU_PAGES, bits 127:64. Inval: what is cached for the pages goes first. */
export const PREFETCH_IOMMU_PAGES_HIGH = bits(64, 'PREFETCH_IOMMU_PAGES [127:64]', 'AMD IOMMU 3.07 §2.4', {
  Address: addr(63, 12),
  Inval: 4,
  GN: 2,
  S: 0,
})

/** COMPLETE_PPR_REQUEST, bits 63:0. */
export const COMPLETE_PPR_REQUEST = bits(64, 'COMPLETE_PPR_REQUEST [63:0]', 'AMD IOMMU 3.07 §2.4', {
  OpCode,
  PASID: [51, 32],
  DeviceID: [15, 0],
})

/** COMPLETE_PPR_REQUEST, bits 127:64. */
export const COMPLETE_PPR_REQUEST_HIGH = bits(64, 'COMPLETE_PPR_REQUEST [127:64]', 'AMD IOMMU 3.07 §2.4', {
  CompletionTag: [47, 32],
  GN: 2,
})

/** INVALIDATE_IOMMU_ALL. Bits 127:64 are reserved. */
export const INVALIDATE_IOMMU_ALL = bits(64, 'INVALIDATE_IOMMU_ALL [63:0]', 'AMD IOMMU 3.07 §2.4', { OpCode })
