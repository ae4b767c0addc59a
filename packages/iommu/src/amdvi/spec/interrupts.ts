import { addr, bits, field, le32, le64, struct } from '@dmascope/layout'

/** DMA writes to [0xfee00000, 0xfeefffff] are interrupt messages and are never translated. */
export const INTERRUPT_RANGE_FIRST = 0xfee0_0000
export const INTERRUPT_RANGE_LAST = 0xfeef_ffff

/** Address of an interrupt message. */
export const MESSAGE_ADDRESS = bits(32, 'interrupt message address', 'AMD IOMMU 3.07 §2.2.5', {
  PREFIX: [31, 20],
  Destination: [19, 12],
  RH: 3,
  DM: 2,
})

/** Values of MT, the interrupt type of a message. */
export const MESSAGE_TYPE = { fixed: 0, arbitrated: 1, smi: 2, nmi: 4, init: 5, extInt: 7 } as const

/**
 * Data of an interrupt message. Of a message that is remapped, bits 10:0 are the index into the interrupt table: fixed
 * and arbitrated ones, whose bits 10:9 are clear, reach 512 entries.
 */
export const MESSAGE_DATA = bits(32, 'interrupt message data', 'AMD IOMMU 3.07 §2.2.5', {
  TM: field(15, 'rw', { 0: 'edge', 1: 'level' }),
  Level: 14,
  MT: [10, 8],
  Vector: [7, 0],
})
export const MESSAGE_INDEX_MASK = 0x7ff

/** Interrupt remapping table entry, with Control.GAEn clear. */
export const IRTE_BASIC = struct('interrupt_remapping_entry', 'AMD IOMMU 3.07 §2.2.5.1', { value: le32 })

/** Interrupt remapping table entry of 32 bits. */
export const IRTE_BASIC_BITS = bits(32, 'interrupt_remapping_entry', 'AMD IOMMU 3.07 §2.2.5.1', {
  Vector: [23, 16],
  Destination: [15, 8],
  GuestMode: 7,
  DM: field(6, 'rw', { 0: 'physical', 1: 'logical' }),
  RqEoi: 5,
  IntType: field([4, 2], 'rw', { 0: 'fixed', 1: 'arbitrated' }),
  SupIOPF: 1,
  RemapEn: 0,
})

/** Interrupt remapping table entry, with Control.GAEn set. */
export const IRTE_GA = struct('interrupt_remapping_entry (GA)', 'AMD IOMMU 3.07 §2.2.5.2', { low: le64, high: le64 })

/** 128-bit entry with GuestMode clear, bits 63:0. Destination's upper bits count with Control.XTEn. */
export const IRTE_GA_LOW = bits(64, 'interrupt_remapping_entry (GA) [63:0]', 'AMD IOMMU 3.07 §2.2.5.2', {
  Destination_23_0: [31, 8],
  GuestMode: 7,
  DM: 6,
  RqEoi: 5,
  IntType: [4, 2],
  SupIOPF: 1,
  RemapEn: 0,
})

/** 128-bit entry with GuestMode clear, bits 127:64. */
export const IRTE_GA_HIGH = bits(64, 'interrupt_remapping_entry (GA) [127:64]', 'AMD IOMMU 3.07 §2.2.5.2', {
  Destination_31_24: [63, 56],
  Vector: [7, 0],
})

/** 128-bit entry with GuestMode set, bits 63:0. */
export const IRTE_GUEST_LOW = bits(64, 'interrupt_remapping_entry (guest) [63:0]', 'AMD IOMMU 3.07 §2.2.5.2', {
  GATag: [63, 32],
  Destination_23_0: [31, 8],
  GuestMode: 7,
  IsRun: 6,
  GAPPIDis: 5,
  GALogIntr: 2,
  SupIOPF: 1,
  RemapEn: 0,
})

/** 128-bit entry with GuestMode set, bits 127:64. */
export const IRTE_GUEST_HIGH = bits(64, 'interrupt_remapping_entry (guest) [127:64]', 'AMD IOMMU 3.07 §2.2.5.2', {
  Destination_31_24: [63, 56],
  GuestVAPICTableRootPtr: addr(51, 12),
  Vector: [7, 0],
})
