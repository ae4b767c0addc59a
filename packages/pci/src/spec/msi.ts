import { bits, field, reg8, reg16, reg32, registers } from '@dmascope/layout'

const MSI = 'PCI Express Base 6.0 §7.7.1'
const MSIX = 'PCI Express Base 6.0 §7.7.2'

export const MSI_MESSAGE_CONTROL = bits(16, 'Message Control for MSI', MSI, {
  PER_VECTOR_MASKING_CAPABLE: field(8, 'ro'),
  ADDRESS_64_BIT_CAPABLE: field(7, 'ro'),
  MULTIPLE_MESSAGE_ENABLE: field([6, 4], 'rw'),
  MULTIPLE_MESSAGE_CAPABLE: field([3, 1], 'ro'),
  MSI_ENABLE: field(0, 'rw'),
})

/** The MSI capability of a function that takes 32-bit message addresses. Mask and Pending are optional. */
export const MSI_CAPABILITY_32 = registers('MSI capability, 32-bit address', MSI, {
  CAP_ID: reg8(0x00, 'ro'),
  NEXT_PTR: reg8(0x01, 'ro'),
  MESSAGE_CONTROL: reg16(0x02, 'ro', MSI_MESSAGE_CONTROL),
  MESSAGE_ADDRESS: reg32(0x04, 'rw'),
  MESSAGE_DATA: reg16(0x08, 'rw'),
  MASK_BITS: reg32(0x0c, 'rw'),
  PENDING_BITS: reg32(0x10, 'ro'),
})

/** The MSI capability of a function that takes 64-bit message addresses. */
export const MSI_CAPABILITY_64 = registers('MSI capability, 64-bit address', MSI, {
  CAP_ID: reg8(0x00, 'ro'),
  NEXT_PTR: reg8(0x01, 'ro'),
  MESSAGE_CONTROL: reg16(0x02, 'ro', MSI_MESSAGE_CONTROL),
  MESSAGE_ADDRESS: reg32(0x04, 'rw'),
  MESSAGE_UPPER_ADDRESS: reg32(0x08, 'rw'),
  MESSAGE_DATA: reg16(0x0c, 'rw'),
  MASK_BITS: reg32(0x10, 'rw'),
  PENDING_BITS: reg32(0x14, 'ro'),
})

export const MSIX_MESSAGE_CONTROL = bits(16, 'Message Control for MSI-X', MSIX, {
  MSIX_ENABLE: field(15, 'rw'),
  FUNCTION_MASK: field(14, 'rw'),
  /** Number of vectors, less one. */
  TABLE_SIZE: field([10, 0], 'ro'),
})

/** Where the table, or the pending bit array, lies: a BAR and an offset in it. */
export const MSIX_BAR_OFFSET = bits(32, 'Table Offset / Table BIR', MSIX, {
  OFFSET: field([31, 3], 'ro'),
  BIR: field([2, 0], 'ro'),
})

export const MSIX_CAPABILITY = registers('MSI-X capability', MSIX, {
  CAP_ID: reg8(0x00, 'ro'),
  NEXT_PTR: reg8(0x01, 'ro'),
  MESSAGE_CONTROL: reg16(0x02, 'ro', MSIX_MESSAGE_CONTROL),
  TABLE_OFFSET: reg32(0x04, 'ro', MSIX_BAR_OFFSET),
  PBA_OFFSET: reg32(0x08, 'ro', MSIX_BAR_OFFSET),
})

export const MSIX_VECTOR_CONTROL = bits(32, 'Vector Control for MSI-X Table Entries', MSIX, {
  MASK_BIT: field(0, 'rw'),
})

/** One entry of the MSI-X table. It is masked after reset. */
export const MSIX_TABLE_ENTRY = registers('MSI-X table entry', MSIX, {
  MESSAGE_ADDRESS: reg32(0x0, 'rw'),
  MESSAGE_UPPER_ADDRESS: reg32(0x4, 'rw'),
  MESSAGE_DATA: reg32(0x8, 'rw'),
  VECTOR_CONTROL: reg32(0xc, 'ro', MSIX_VECTOR_CONTROL, 1),
})
