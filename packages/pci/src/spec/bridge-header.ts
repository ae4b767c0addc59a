import { bits, field, reg8, reg16, reg32, registers } from '@dmascope/layout'
import { COMMAND, HEADER_TYPE, STATUS } from './config-header.ts'

const BRIDGE = 'PCI Express Base 6.0 §7.5.1.3'

/** I/O Base and I/O Limit: address bits 15:12, and what the bridge decodes. */
export const IO_RANGE = bits(8, 'I/O Base, I/O Limit', BRIDGE, {
  ADDRESS_15_12: field([7, 4], 'rw'),
  CAPABILITY: field([3, 0], 'ro', { 0: '16-bit', 1: '32-bit' }),
})

/** Memory Base and Memory Limit: address bits 31:20. */
export const MEMORY_RANGE = bits(16, 'Memory Base, Memory Limit', BRIDGE, {
  ADDRESS_31_20: field([15, 4], 'rw'),
})

/** Prefetchable Memory Base and Limit: address bits 31:20, and what the bridge decodes. */
export const PREFETCHABLE_RANGE = bits(16, 'Prefetchable Memory Base, Limit', BRIDGE, {
  ADDRESS_31_20: field([15, 4], 'rw'),
  CAPABILITY: field([3, 0], 'ro', { 0: '32-bit', 1: '64-bit' }),
})

/** 0x1e: what happened on the secondary side. */
export const SECONDARY_STATUS = bits(16, 'Secondary Status', BRIDGE, {
  DETECTED_PARITY_ERROR: field(15, 'rw1c'),
  RECEIVED_SYSTEM_ERROR: field(14, 'rw1c'),
  RECEIVED_MASTER_ABORT: field(13, 'rw1c'),
  RECEIVED_TARGET_ABORT: field(12, 'rw1c'),
  SIGNALED_TARGET_ABORT: field(11, 'rw1c'),
  DEVSEL_TIMING: field([10, 9], 'ro'),
  MASTER_DATA_PARITY_ERROR: field(8, 'rw1c'),
  FAST_BACK_TO_BACK_CAPABLE: field(7, 'ro'),
  CAPABLE_66MHZ: field(5, 'ro'),
})

/** 0x3e. */
export const BRIDGE_CONTROL = bits(16, 'Bridge Control', BRIDGE, {
  DISCARD_TIMER_SERR_ENABLE: field(11, 'ro'),
  DISCARD_TIMER_STATUS: field(10, 'ro'),
  SECONDARY_DISCARD_TIMER: field(9, 'ro'),
  PRIMARY_DISCARD_TIMER: field(8, 'ro'),
  FAST_BACK_TO_BACK_ENABLE: field(7, 'ro'),
  SECONDARY_BUS_RESET: field(6, 'rw'),
  MASTER_ABORT_MODE: field(5, 'ro'),
  VGA_16_BIT_DECODE: field(4, 'rw'),
  VGA_ENABLE: field(3, 'rw'),
  ISA_ENABLE: field(2, 'rw'),
  SERR_ENABLE: field(1, 'rw'),
  PARITY_ERROR_RESPONSE_ENABLE: field(0, 'rw'),
})

/** A bridge's header: what it has beyond type 0 are the bus numbers and the windows that it forwards. */
export const PCI_HEADER_TYPE1 = registers('Type 1 configuration space header', BRIDGE, {
  VENDOR_ID: reg16(0x00, 'ro'),
  DEVICE_ID: reg16(0x02, 'ro'),
  COMMAND: reg16(0x04, 'rsvdp', COMMAND),
  STATUS: reg16(0x06, 'rsvdz', STATUS),
  REVISION_ID: reg8(0x08, 'ro'),
  PROGRAMMING_INTERFACE: reg8(0x09, 'ro'),
  SUB_CLASS: reg8(0x0a, 'ro'),
  BASE_CLASS: reg8(0x0b, 'ro'),
  CACHE_LINE_SIZE: reg8(0x0c, 'rw'),
  PRIMARY_LATENCY_TIMER: reg8(0x0d, 'ro'),
  HEADER_TYPE: reg8(0x0e, 'ro', HEADER_TYPE),
  BIST: reg8(0x0f, 'ro'),
  BAR0: reg32(0x10, 'ro'),
  BAR1: reg32(0x14, 'ro'),
  PRIMARY_BUS_NUMBER: reg8(0x18, 'rw'),
  SECONDARY_BUS_NUMBER: reg8(0x19, 'rw'),
  SUBORDINATE_BUS_NUMBER: reg8(0x1a, 'rw'),
  SECONDARY_LATENCY_TIMER: reg8(0x1b, 'rw'),
  IO_BASE: reg8(0x1c, 'ro', IO_RANGE),
  IO_LIMIT: reg8(0x1d, 'ro', IO_RANGE),
  SECONDARY_STATUS: reg16(0x1e, 'ro', SECONDARY_STATUS),
  MEMORY_BASE: reg16(0x20, 'ro', MEMORY_RANGE),
  MEMORY_LIMIT: reg16(0x22, 'ro', MEMORY_RANGE),
  PREFETCHABLE_MEMORY_BASE: reg16(0x24, 'ro', PREFETCHABLE_RANGE, 0x0001),
  PREFETCHABLE_MEMORY_LIMIT: reg16(0x26, 'ro', PREFETCHABLE_RANGE, 0x0001),
  PREFETCHABLE_BASE_UPPER_32: reg32(0x28, 'rw'),
  PREFETCHABLE_LIMIT_UPPER_32: reg32(0x2c, 'rw'),
  IO_BASE_UPPER_16: reg16(0x30, 'ro'),
  IO_LIMIT_UPPER_16: reg16(0x32, 'ro'),
  CAPABILITIES_POINTER: reg8(0x34, 'ro'),
  EXPANSION_ROM_BASE_ADDRESS: reg32(0x38, 'ro'),
  INTERRUPT_LINE: reg8(0x3c, 'rw'),
  INTERRUPT_PIN: reg8(0x3d, 'ro'),
  BRIDGE_CONTROL: reg16(0x3e, 'rsvdp', BRIDGE_CONTROL),
})
