import { bits, bytes, field, le16, le32, le64, struct, u8 } from '@dmascope/layout'
import { GENERIC_ADDRESS_STRUCTURE } from './header.ts'

/** The body of the MCFG, before its allocations. */
export const MCFG = struct('MCFG', 'PCI Firmware Specification 3.0', { reserved: bytes(8) })

/** Memory-mapped configuration space of one host bridge: bus `startBusNumber` would lie at base + start * 1 MiB. */
export const MCFG_ALLOCATION = struct('Configuration Space Base Address Allocation', 'PCI Firmware Specification 3.0', {
  baseAddress: le64,
  pciSegmentGroupNumber: le16,
  startBusNumber: u8,
  endBusNumber: u8,
  reserved: le32,
})

export const HPET = struct('HPET', 'IA-PC HPET 1.0a §3.2.4', {
  eventTimerBlockId: le32,
  baseAddress: GENERIC_ADDRESS_STRUCTURE,
  hpetNumber: u8,
  mainCounterMinimumClockTick: le16,
  pageProtection: u8,
})

export const HPET_EVENT_TIMER_BLOCK_ID = bits(32, 'Event Timer Block ID', 'IA-PC HPET 1.0a §3.2.4', {
  PCI_VENDOR_ID: field([31, 16], 'ro', { 32902: 'Intel' }),
  LEGACY_REPLACEMENT: 15,
  COUNT_SIZE_CAP: 13,
  NUM_TIM_CAP: [12, 8],
  HARDWARE_REV_ID: [7, 0],
})

/** Windows ACPI Emulated Devices Table: what a guest need not work around, since its devices are emulated. */
export const WAET = struct('WAET', 'Windows ACPI Emulated Devices Table', { emulatedDeviceFlags: le32 })

export const WAET_FLAGS = bits(32, 'Emulated Device Flags', 'Windows ACPI Emulated Devices Table', {
  RTC_GOOD: 0,
  ACPI_PM_TIMER_GOOD: 1,
})
