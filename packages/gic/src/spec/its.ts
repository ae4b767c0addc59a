import { addr, bits, field, le64, reg32, reg64, registers, struct } from '@dmascope/layout'

const V3 = 'IHI 0069'

export const GITS_CTLR = bits(32, 'GITS_CTLR', V3, { Quiescent: field(31, 'ro'), Enabled: field(0, 'rw') })

export const GITS_TYPER = bits(64, 'GITS_TYPER', V3, {
  /** Collection IDs are as wide as CIDbits says. */
  CIL: field(36, 'ro'),
  CIDbits: field([35, 32], 'ro'),
  /** Collections that need no memory. */
  HCC: field([31, 24], 'ro'),
  /** Targets are addresses of redistributors; else numbers of processors. */
  PTA: field(19, 'ro'),
  /** Width of a device ID, less one. */
  Devbits: field([17, 13], 'ro'),
  /** Width of an event ID, less one. */
  ID_bits: field([12, 8], 'ro'),
  /** Bytes of an entry of an interrupt translation table, less one. */
  ITT_entry_size: field([7, 4], 'ro'),
  Physical: field(0, 'ro'),
})

export const GITS_CBASER = bits(64, 'GITS_CBASER', V3, {
  Valid: field(63, 'rw'),
  InnerCache: field([61, 59], 'rw'),
  OuterCache: field([55, 53], 'rw'),
  Physical_Address: { ...addr(51, 12), access: 'rw' },
  Shareability: field([11, 10], 'rw'),
  /** Pages of 4 KiB, less one. */
  Size: field([7, 0], 'rw'),
})

export const GITS_CWRITER = bits(64, 'GITS_CWRITER', V3, {
  Offset: { ...addr(19, 5), access: 'rw' },
  Retry: field(0, 'wo'),
})
export const GITS_CREADR = bits(64, 'GITS_CREADR', V3, {
  Offset: { ...addr(19, 5), access: 'ro' },
  Stalled: field(0, 'ro'),
})

/** One of eight: where a table of the ITS's own lies in memory. */
export const GITS_BASER = bits(64, 'GITS_BASER', V3, {
  Valid: field(63, 'rw'),
  /** Its first level holds pages of the second. */
  Indirect: field(62, 'rw'),
  InnerCache: field([61, 59], 'rw'),
  Type: field([58, 56], 'ro', { 0: 'none', 1: 'devices', 2: 'virtual processors', 4: 'collections' }),
  OuterCache: field([55, 53], 'rw'),
  /** Bytes of an entry, less one. */
  Entry_Size: field([52, 48], 'ro'),
  Physical_Address: { ...addr(47, 12), access: 'rw' },
  Shareability: field([11, 10], 'rw'),
  Page_Size: field([9, 8], 'rw', { 0: '4 KiB', 1: '16 KiB', 2: '64 KiB' }),
  /** Pages, less one. */
  Size: field([7, 0], 'rw'),
})

export const GITS_BASER_COUNT = 8
export const GITS_BASER_TYPE = { none: 0, devices: 1, collections: 4 } as const

/** Control frame. The translation frame follows at 64 KiB. */
export const GITS = registers('GITS', V3, {
  CTLR: reg32(0x0000, 'rw', GITS_CTLR, 0x8000_0000),
  IIDR: reg32(0x0004, 'ro'),
  TYPER: reg64(0x0008, 'ro', GITS_TYPER),
  CBASER: reg64(0x0080, 'rw', GITS_CBASER),
  CWRITER: reg64(0x0088, 'rw', GITS_CWRITER),
  CREADR: reg64(0x0090, 'ro', GITS_CREADR),
  BASER0: reg64(0x0100, 'rw', GITS_BASER),
  BASER1: reg64(0x0108, 'rw', GITS_BASER),
  BASER2: reg64(0x0110, 'rw', GITS_BASER),
  BASER3: reg64(0x0118, 'rw', GITS_BASER),
  BASER4: reg64(0x0120, 'rw', GITS_BASER),
  BASER5: reg64(0x0128, 'rw', GITS_BASER),
  BASER6: reg64(0x0130, 'rw', GITS_BASER),
  BASER7: reg64(0x0138, 'rw', GITS_BASER),
})

export const GITS_FRAME = 0x1_0000
/** A device writes its event's number here; with it comes the device's ID. From the control frame's start. */
export const GITS_TRANSLATER_OFFSET = GITS_FRAME + 0x40
/** Bytes of both frames. */
export const GITS_SIZE = 2 * GITS_FRAME

/** A command of the queue. */
export const ITS_COMMAND = struct('ITS command', V3, { DW0: le64, DW1: le64, DW2: le64, DW3: le64 })

/** Low byte of DW0. */
export const ITS_COMMAND_CODE = {
  MOVI: 0x01,
  INT: 0x03,
  CLEAR: 0x04,
  SYNC: 0x05,
  MAPD: 0x08,
  MAPC: 0x09,
  MAPTI: 0x0a,
  MAPI: 0x0b,
  INV: 0x0c,
  INVALL: 0x0d,
  MOVALL: 0x0e,
  DISCARD: 0x0f,
} as const

/** DW0 of all commands that name a device. */
export const ITS_DW0 = bits(64, 'ITS command DW0', V3, { DeviceID: [63, 32], Code: [7, 0] })
/** DW1 of MAPD. */
export const MAPD_DW1 = bits(64, 'MAPD DW1', V3, { Size: [4, 0] })
/** DW2 of MAPD. */
export const MAPD_DW2 = bits(64, 'MAPD DW2', V3, { Valid: 63, ITT_addr: addr(51, 8) })
/** DW1 of commands that name an event. */
export const EVENT_DW1 = bits(64, 'ITS command DW1', V3, { pINTID: [63, 32], EventID: [31, 0] })
/** DW2 of commands that name a collection; Valid and RDbase are MAPC's and SYNC's. */
export const COLLECTION_DW2 = bits(64, 'ITS command DW2', V3, { Valid: 63, RDbase: [50, 16], ICID: [15, 0] })
