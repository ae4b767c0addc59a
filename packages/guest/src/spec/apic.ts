import { bits, field, reg32, registers } from '@dmascope/layout'

/** What of the local APIC a kernel on one CPU uses. Every register is 32 bits wide on a 16-byte boundary. */
const SDM = 'Intel SDM volume 3A, local APIC register address map'

export const SPURIOUS_INTERRUPT_VECTOR = bits(32, 'Spurious-Interrupt Vector Register', SDM, {
  APIC_SOFTWARE_ENABLE: field(8, 'rw'),
  SPURIOUS_VECTOR: field([7, 0], 'rw'),
})

export const LVT_ENTRY = bits(32, 'Local Vector Table entry', SDM, {
  MASK: field(16, 'rw'),
  TRIGGER_MODE: field(15, 'rw'),
  DELIVERY_MODE: field([10, 8], 'rw', { 0: 'Fixed', 2: 'SMI', 4: 'NMI', 5: 'INIT', 7: 'ExtINT' }),
  VECTOR: field([7, 0], 'rw'),
})

export const LOCAL_APIC = registers('Local APIC', SDM, {
  ID: reg32(0x20, 'rw'),
  VERSION: reg32(0x30, 'ro'),
  TPR: reg32(0x80, 'rw'),
  EOI: reg32(0xb0, 'wo'),
  SVR: reg32(0xf0, 'rw', SPURIOUS_INTERRUPT_VECTOR),
  LVT_LINT0: reg32(0x350, 'rw', LVT_ENTRY),
  LVT_LINT1: reg32(0x360, 'rw', LVT_ENTRY),
  LVT_ERROR: reg32(0x370, 'rw', LVT_ENTRY),
})

const IOAPIC_SHEET = 'Intel 82093AA data sheet'

/** The two registers through which all others are reached; and, since version 0x20, one that ends interrupts. */
export const IO_APIC = registers('I/O APIC', IOAPIC_SHEET, {
  IOREGSEL: reg32(0x00, 'rw'),
  IOWIN: reg32(0x10, 'rw'),
  EOI: reg32(0x40, 'wo'),
})

/** Indices for IOREGSEL. A redirection entry is two: the low word at the even one. */
export const IO_APIC_INDEX = { IOAPICID: 0x00, IOAPICVER: 0x01, IOREDTBL: 0x10 } as const

export const IOAPICVER = bits(32, 'IOAPICVER', IOAPIC_SHEET, {
  /** Number of the last redirection entry. */
  MAXIMUM_REDIRECTION_ENTRY: field([23, 16], 'ro'),
  APIC_VERSION: field([7, 0], 'ro'),
})

export const IOREDTBL = bits(64, 'IOREDTBL', IOAPIC_SHEET, {
  DESTINATION: field([63, 56], 'rw'),
  INTERRUPT_MASK: field(16, 'rw'),
  TRIGGER_MODE: field(15, 'rw', { 0: 'edge', 1: 'level' }),
  REMOTE_IRR: field(14, 'ro'),
  INTPOL: field(13, 'rw', { 0: 'active high', 1: 'active low' }),
  DELIVERY_STATUS: field(12, 'ro'),
  DESTINATION_MODE: field(11, 'rw'),
  DELIVERY_MODE: field([10, 8], 'rw'),
  INTERRUPT_VECTOR: field([7, 0], 'rw'),
})
