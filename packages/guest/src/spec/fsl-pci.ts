import { bits, field, reg32, registers } from '@dmascope/layout'

/** What of a Freescale PCI controller Linux’s fsl_pci uses: the MPC8544E’s, which the later PCI Express ones are like. */
const MPC8544 = 'MPC8544E Reference Manual, PCI bus interface'

export const POWAR = bits(32, 'PCI Outbound Window Attributes Register', MPC8544, {
  EN: field(31, 'rw'),
  /** Relaxed ordering. */
  ROE: field(28, 'rw'),
  RTT: field([19, 16], 'rw'),
  WTT: field([15, 12], 'rw'),
  OWS: field([5, 0], 'rw'),
})
export const WINDOW_OF_MEMORY = 4
export const WINDOW_OF_PORTS = 8

export const PIWAR = bits(32, 'PCI Inbound Window Attributes Register', MPC8544, {
  EN: field(31, 'rw'),
  PF: field(29, 'rw'),
  TGI: field([23, 20], 'rw'),
  RTT: field([19, 16], 'rw'),
  WTT: field([15, 12], 'rw'),
  IWS: field([5, 0], 'rw'),
})
export const LOCAL_MEMORY = 15
export const SNOOPED = 5

export const PCI_CONFIGURATION = registers('PCI configuration access', MPC8544, {
  CFG_ADDR: reg32(0x000, 'rw'),
  CFG_DATA: reg32(0x004, 'rw'),
  /** PCI Express controllers say here which they are. */
  IP_BLOCK_REVISION: reg32(0xbf8, 'ro'),
})

export const OUTBOUND = registers('PCI outbound window', MPC8544, {
  POTAR: reg32(0x00, 'rw'),
  POTEAR: reg32(0x04, 'rw'),
  POWBAR: reg32(0x08, 'rw'),
  POWAR: reg32(0x10, 'rw', POWAR),
})
/** Windows 0 to 4. The first is for what is in no other, and is not switched. */
export const OUTBOUND_BASE = 0xc00

export const INBOUND = registers('PCI inbound window', MPC8544, {
  PITAR: reg32(0x00, 'rw'),
  PIWBAR: reg32(0x08, 'rw'),
  PIWBEAR: reg32(0x0c, 'rw'),
  PIWAR: reg32(0x10, 'rw', PIWAR),
})
/** Linux’s numbers 0 to 3 for the windows that the manual counts down. */
export const INBOUND_BASE = 0xd80
export const WINDOW_STRIDE = 0x20

/** Offsets in the page of CCSR that has the messages’ registers: eight that a read clears, and the one to write to. */
export const MSIR_STRIDE = 0x10
export const MSIIR_OFFSET = 0x140
export const MESSAGES_A_REGISTER = 32
