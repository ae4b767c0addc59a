import { addr, bits, field, le64, struct } from '@dmascope/layout'

/** DMA writes to [0xfee00000, 0xfeefffff] are interrupt requests and are never translated (VT-d 4.1 §3.15). */
export const INTERRUPT_RANGE_FIRST = 0xfee0_0000
export const INTERRUPT_RANGE_LAST = 0xfeef_ffff

/** Address of an interrupt message in remappable format. HANDLE's bit 15 stands apart. */
export const REMAPPABLE_ADDRESS = bits(32, 'remappable interrupt address', 'VT-d 4.1 §5.1.2', {
  PREFIX: [31, 20],
  HANDLE_14_0: [19, 5],
  FORMAT: field(4, 'rw', { 0: 'compatibility', 1: 'remappable' }),
  SHV: 3,
  HANDLE_15: 2,
})

/** Data of an interrupt message in remappable format with SHV set. */
export const REMAPPABLE_DATA = bits(32, 'remappable interrupt data', 'VT-d 4.1 §5.1.2', { SUBHANDLE: [15, 0] })

/** Address of an interrupt message in compatibility format, as the processors' manuals give it. */
export const COMPATIBILITY_ADDRESS = bits(32, 'interrupt message address', 'VT-d 4.1 §5.1.2', {
  PREFIX: [31, 20],
  DESTINATION: [19, 12],
  RH: 3,
  DM: 2,
})

/** Data of an interrupt message in compatibility format. */
export const COMPATIBILITY_DATA = bits(32, 'interrupt message data', 'VT-d 4.1 §5.1.2', {
  TM: field(15, 'rw', { 0: 'edge', 1: 'level' }),
  LEVEL: 14,
  DLM: [10, 8],
  V: [7, 0],
})

/** IOAPIC redirection table entry in remappable format. */
export const REMAPPABLE_RTE = bits(64, 'remappable redirection entry', 'VT-d 4.1 §5.1.5', {
  HANDLE_14_0: [63, 49],
  FORMAT: 48,
  MASK: 16,
  TM: 15,
  REMOTE_IRR: 14,
  POLARITY: 13,
  STATUS: 12,
  HANDLE_15: 11,
  V: [7, 0],
})

/** Interrupt remapping table entry. */
export const IRTE = struct('IRTE', 'VT-d 4.1 §9.10', { low: le64, high: le64 })

/** IRTE for remapped interrupts, bits 63:0. In xAPIC mode the destination is DST's bits 15:8. */
export const IRTE_LOW = bits(64, 'IRTE [63:0]', 'VT-d 4.1 §9.10', {
  DST: [63, 32],
  V: [23, 16],
  IM: field(15, 'rw', { 0: 'remapped', 1: 'posted' }),
  AVAIL: [11, 8],
  DLM: field([7, 5], 'rw', {
    0: 'fixed',
    1: 'lowest priority',
    2: 'SMI',
    4: 'NMI',
    5: 'INIT',
    7: 'ExtINT',
  }),
  TM: field(4, 'rw', { 0: 'edge', 1: 'level' }),
  RH: 3,
  DM: field(2, 'rw', { 0: 'physical', 1: 'logical' }),
  FPD: 1,
  P: 0,
})

/** Values of IRTE.SVT. */
export const SOURCE_VALIDATION = { none: 0, requester: 1, bus: 2 } as const

/** IRTE, bits 127:64: whom requests must come from. With SVT = bus, SID is the first and the last bus number. */
export const IRTE_HIGH = bits(64, 'IRTE [127:64]', 'VT-d 4.1 §9.10', {
  SVT: field([19, 18], 'rw', { 0: 'not verified', 1: 'SID and SQ', 2: 'bus range' }),
  SQ: [17, 16],
  SID: [15, 0],
})

/** Second-half names for a posted IRTE, which needs CAP.PI. */
export const IRTE_POSTED_LOW = bits(64, 'posted IRTE [63:0]', 'VT-d 4.1 §9.11', {
  PDAL: addr(63, 38),
  V: [23, 16],
  IM: 15,
  URG: 14,
  AVAIL: [11, 8],
  FPD: 1,
  P: 0,
})
