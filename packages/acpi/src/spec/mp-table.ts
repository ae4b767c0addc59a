import { bytes, le16, le32, struct, u8 } from '@dmascope/layout'

/** The tables by which PCs told of processors and interrupts before ACPI. */
const SOURCE = 'MultiProcessor Specification 1.4'

export const MP_FLOATING_POINTER_SIGNATURE = '_MP_'
export const MP_CONFIGURATION_SIGNATURE = 'PCMP'

/** Where the configuration table is; on a 16-byte boundary (§4.1). */
export const MP_FLOATING_POINTER = struct('MP floating pointer structure', `${SOURCE} §4.1`, {
  SIGNATURE: bytes(4),
  PHYSICAL_ADDRESS_POINTER: le32,
  /** In units of 16 bytes: 1. */
  LENGTH: u8,
  SPEC_REV: u8,
  CHECKSUM: u8,
  MP_FEATURE_INFORMATION: bytes(5),
})

/** The configuration table's header; entries follow (§4.2). */
export const MP_CONFIGURATION_HEADER = struct('MP configuration table header', `${SOURCE} §4.2`, {
  SIGNATURE: bytes(4),
  BASE_TABLE_LENGTH: le16,
  SPEC_REV: u8,
  CHECKSUM: u8,
  OEM_ID: bytes(8),
  PRODUCT_ID: bytes(12),
  OEM_TABLE_POINTER: le32,
  OEM_TABLE_SIZE: le16,
  ENTRY_COUNT: le16,
  ADDRESS_OF_LOCAL_APIC: le32,
  EXTENDED_TABLE_LENGTH: le16,
  EXTENDED_TABLE_CHECKSUM: u8,
  RESERVED: u8,
})

/** First byte of each entry (§4.3). */
export const MP_ENTRY_TYPE = { processor: 0, bus: 1, 'io-apic': 2, 'io-interrupt': 3, 'local-interrupt': 4 } as const

export const MP_PROCESSOR = struct('Processor entry', `${SOURCE} §4.3.1`, {
  ENTRY_TYPE: u8,
  LOCAL_APIC_ID: u8,
  LOCAL_APIC_VERSION: u8,
  /** Bit 0: usable. Bit 1: the one that boots. */
  CPU_FLAGS: u8,
  CPU_SIGNATURE: le32,
  FEATURE_FLAGS: le32,
  RESERVED: bytes(8),
})

export const MP_BUS = struct('Bus entry', `${SOURCE} §4.3.2`, { ENTRY_TYPE: u8, BUS_ID: u8, BUS_TYPE_STRING: bytes(6) })

export const MP_IO_APIC = struct('I/O APIC entry', `${SOURCE} §4.3.3`, {
  ENTRY_TYPE: u8,
  IO_APIC_ID: u8,
  IO_APIC_VERSION: u8,
  /** Bit 0: usable. */
  IO_APIC_FLAGS: u8,
  IO_APIC_ADDRESS: le32,
})

/** Of an I/O APIC's input, and of a local one's: the two have the same fields (§4.3.4, §4.3.5). */
export const MP_INTERRUPT = struct('Interrupt assignment entry', `${SOURCE} §4.3.4`, {
  ENTRY_TYPE: u8,
  /** 0 vectored, 1 NMI, 2 SMI, 3 by an 8259. */
  INTERRUPT_TYPE: u8,
  /** Bits 1 and 0: polarity, bits 3 and 2: trigger mode; 0 as the bus has it. */
  INTERRUPT_FLAG: le16,
  SOURCE_BUS_ID: u8,
  SOURCE_BUS_IRQ: u8,
  DESTINATION_APIC_ID: u8,
  DESTINATION_APIC_INTIN: u8,
})
