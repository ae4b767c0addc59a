import { bits, field, reg32, registers } from '@dmascope/layout'

const MPC8544 = 'MPC8544E Reference Manual, PCI bus interface'

export const POWAR = bits(32, 'PCI Outbound Window Attributes Register', MPC8544, {
  EN: field(31, 'rw'),
  RTT: field([19, 16], 'rw', { 4: 'memory read', 8: 'I/O read' }),
  WTT: field([15, 12], 'rw', { 4: 'memory write', 8: 'I/O write' }),
  /** The window has 2^(OWS + 1) bytes. */
  OWS: field([5, 0], 'rw'),
})

export const PIWAR = bits(32, 'PCI Inbound Window Attributes Register', MPC8544, {
  EN: field(31, 'rw'),
  PF: field(29, 'rw'),
  /** Target interface. */
  TGI: field([23, 20], 'rw', { 15: 'local memory' }),
  RTT: field([19, 16], 'rw', { 4: 'not snooped', 5: 'snooped' }),
  WTT: field([15, 12], 'rw', { 4: 'not snooped', 5: 'snooped' }),
  /** The window has 2^(IWS + 1) bytes. */
  IWS: field([5, 0], 'rw'),
})

/** The host bridge’s registers in CCSR, in front of its windows’. Data is in PCI’s byte order, all else big-endian. */
export const PCI_CONFIGURATION = registers('PCI configuration access', MPC8544, {
  CFG_ADDR: reg32(0x000, 'rw'),
  CFG_DATA: reg32(0x004, 'rw'),
})

/** An outbound window’s. Addresses are in units of 4 KiB; on the bus, and for the processor. */
export const OUTBOUND = registers('PCI outbound window', MPC8544, {
  POTAR: reg32(0x00, 'rw'),
  POTEAR: reg32(0x04, 'rw'),
  POWBAR: reg32(0x08, 'rw'),
  POWAR: reg32(0x10, 'rw', POWAR),
})

/** An inbound window’s: addresses in memory, and on the bus. */
export const INBOUND = registers('PCI inbound window', MPC8544, {
  PITAR: reg32(0x00, 'rw'),
  PIWBAR: reg32(0x08, 'rw'),
  PIWBEAR: reg32(0x0c, 'rw'),
  PIWAR: reg32(0x10, 'rw', PIWAR),
})

/** Outbound windows 1 to 4. The one before them takes what no other does; it is not switched, and QEMU has none. */
export const OUTBOUND_AT = [0xc20, 0xc40, 0xc60, 0xc80] as const
/** Inbound windows 3, 2 and 1. */
export const INBOUND_AT = [0xda0, 0xdc0, 0xde0] as const
