import { addr, bits, field, reg8, reg16, reg32, registers } from '@dmascope/layout'

const COMMON = 'PCI Express Base 6.0 §7.5.1.1'

/** Bytes of the header that every function has; capabilities start here. */
export const PCI_CONFIG_HEADER_SIZE = 0x40
/** Configuration space of a conventional function, and of a PCI Express one. */
export const PCI_CONFIG_SPACE_SIZE = 0x100
export const PCIE_CONFIG_SPACE_SIZE = 0x1000
/** What Vendor ID reads as where no function answers. */
export const PCI_VENDOR_ID_ABSENT = 0xffff

/** 0x04, 16 bits. */
export const COMMAND = bits(16, 'Command', `${COMMON}.3`, {
  INTERRUPT_DISABLE: field(10, 'rw'),
  FAST_BACK_TO_BACK_ENABLE: field(9, 'ro'),
  SERR_ENABLE: field(8, 'rw'),
  PARITY_ERROR_RESPONSE: field(6, 'ro'),
  VGA_PALETTE_SNOOP: field(5, 'ro'),
  MEMORY_WRITE_AND_INVALIDATE: field(4, 'ro'),
  SPECIAL_CYCLE_ENABLE: field(3, 'ro'),
  BUS_MASTER_ENABLE: field(2, 'rw'),
  MEMORY_SPACE_ENABLE: field(1, 'rw'),
  IO_SPACE_ENABLE: field(0, 'rw'),
})

/** 0x06, 16 bits; Secondary Status at 0x1e has the same error bits. */
export const STATUS = bits(16, 'Status', `${COMMON}.4`, {
  DETECTED_PARITY_ERROR: field(15, 'rw1c'),
  SIGNALED_SYSTEM_ERROR: field(14, 'rw1c'),
  RECEIVED_MASTER_ABORT: field(13, 'rw1c'),
  RECEIVED_TARGET_ABORT: field(12, 'rw1c'),
  SIGNALED_TARGET_ABORT: field(11, 'rw1c'),
  DEVSEL_TIMING: field([10, 9], 'ro'),
  MASTER_DATA_PARITY_ERROR: field(8, 'rw1c'),
  FAST_BACK_TO_BACK_CAPABLE: field(7, 'ro'),
  CAPABLE_66MHZ: field(5, 'ro'),
  CAPABILITIES_LIST: field(4, 'ro'),
  INTERRUPT_STATUS: field(3, 'ro'),
})

/** 0x0e, 8 bits. */
export const HEADER_TYPE = bits(8, 'Header Type', `${COMMON}.9`, {
  MULTI_FUNCTION: field(7, 'ro'),
  HEADER_LAYOUT: field([6, 0], 'ro', { 0: 'device', 1: 'bridge', 2: 'cardbus' }),
})

/** A Base Address Register for memory. Address bits below the BAR's size read as zero: that is how software sizes it. */
export const MEMORY_BAR = bits(32, 'Base Address Register (memory)', 'PCI Express Base 6.0 §7.5.1.2.1', {
  BASE: addr(31, 4),
  PREFETCHABLE: field(3, 'ro'),
  TYPE: field([2, 1], 'ro', { 0: '32-bit', 2: '64-bit' }),
  IO: field(0, 'ro'),
})

/** A Base Address Register for I/O. */
export const IO_BAR = bits(32, 'Base Address Register (I/O)', 'PCI Express Base 6.0 §7.5.1.2.1', {
  BASE: addr(31, 2),
  IO: field(0, 'ro'),
})

/** 0x30 in a type 0 header, 0x38 in a type 1 header. */
export const EXPANSION_ROM_BAR = bits(32, 'Expansion ROM Base Address', 'PCI Express Base 6.0 §7.5.1.2.4', {
  BASE: addr(31, 11),
  ENABLE: field(0, 'rw'),
})

/** An endpoint's header. BARs and the ROM BAR are declared `ro` here: each function has its own write mask for them. */
export const PCI_HEADER_TYPE0 = registers('Type 0 configuration space header', 'PCI Express Base 6.0 §7.5.1.2', {
  VENDOR_ID: reg16(0x00, 'ro'),
  DEVICE_ID: reg16(0x02, 'ro'),
  COMMAND: reg16(0x04, 'rsvdp', COMMAND),
  STATUS: reg16(0x06, 'rsvdz', STATUS),
  REVISION_ID: reg8(0x08, 'ro'),
  PROGRAMMING_INTERFACE: reg8(0x09, 'ro'),
  SUB_CLASS: reg8(0x0a, 'ro'),
  BASE_CLASS: reg8(0x0b, 'ro'),
  CACHE_LINE_SIZE: reg8(0x0c, 'rw'),
  LATENCY_TIMER: reg8(0x0d, 'ro'),
  HEADER_TYPE: reg8(0x0e, 'ro', HEADER_TYPE),
  BIST: reg8(0x0f, 'ro'),
  BAR0: reg32(0x10, 'ro'),
  BAR1: reg32(0x14, 'ro'),
  BAR2: reg32(0x18, 'ro'),
  BAR3: reg32(0x1c, 'ro'),
  BAR4: reg32(0x20, 'ro'),
  BAR5: reg32(0x24, 'ro'),
  CARDBUS_CIS_POINTER: reg32(0x28, 'ro'),
  SUBSYSTEM_VENDOR_ID: reg16(0x2c, 'ro'),
  SUBSYSTEM_ID: reg16(0x2e, 'ro'),
  EXPANSION_ROM_BASE_ADDRESS: reg32(0x30, 'ro'),
  CAPABILITIES_POINTER: reg8(0x34, 'ro'),
  INTERRUPT_LINE: reg8(0x3c, 'rw'),
  INTERRUPT_PIN: reg8(0x3d, 'ro'),
  MIN_GNT: reg8(0x3e, 'ro'),
  MAX_LAT: reg8(0x3f, 'ro'),
})
