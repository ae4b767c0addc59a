import { be16, be32, be64, bits, bytes, struct, u8 } from '@dmascope/layout'

const CHAPTER_14 = 'z/Architecture Principles of Operation, chapter 14'
const CHAPTER_15 = 'z/Architecture Principles of Operation, chapter 15'
const CHAPTER_16 = 'z/Architecture Principles of Operation, chapter 16'

/** A channel command word of format 1. Its data address has 31 bits. */
export const CCW1 = struct('CCW (format 1)', CHAPTER_15, { cmd_code: u8, flags: u8, count: be16, cda: be32 })

export const CCW_FLAGS = bits(8, 'CCW flags', CHAPTER_15, {
  CD: 7,
  CC: 6,
  SLI: 5,
  SKIP: 4,
  PCI: 3,
  IDA: 2,
  S: 1,
  MIDA: 0,
})

/** Commands that every control unit here has, and the transfer to another CCW. */
export const CCW_COMMAND = { NOOP: 0x03, BASIC_SENSE: 0x04, TIC: 0x08, SENSE_ID: 0xe4 } as const

/** The operation request block, whose address SSCH has. */
export const ORB = struct('ORB', CHAPTER_15, {
  intparm: be32,
  word1: be32,
  cpa: be32,
  reserved: bytes(20),
})

/**
 * Word 1 of an ORB. F: CCWs are of format 1. H: indirect addresses have 64 bits, and name blocks of 4096 bytes, or of
 * 2048 with T.
 */
export const ORB_WORD1 = bits(32, 'ORB word 1', CHAPTER_15, {
  KEY: [31, 28],
  S: 27,
  C: 26,
  M: 25,
  Y: 24,
  F: 23,
  P: 22,
  I: 21,
  A: 20,
  U: 19,
  B: 18,
  H: 17,
  T: 16,
  LPM: [15, 8],
  L: 7,
  D: 6,
  X: 0,
})

/** The path management control word. */
export const PMCW = struct('PMCW', CHAPTER_15, {
  intparm: be32,
  flags: be16,
  dev: be16,
  lpm: u8,
  pnom: u8,
  lpum: u8,
  pim: u8,
  mbi: be16,
  pom: u8,
  pam: u8,
  chpid: bytes(8),
  chars: be32,
})

/** V: the device number is valid. */
export const PMCW_FLAGS = bits(16, 'PMCW flags', CHAPTER_15, {
  ISC: [13, 11],
  E: 7,
  LM: [6, 5],
  MM: [4, 3],
  D: 2,
  T: 1,
  V: 0,
})

/** S: sense data comes with the status (concurrent sense). */
export const PMCW_CHARS = bits(32, 'PMCW word 6', CHAPTER_15, { F: 2, X: 1, S: 0 })

/** The subchannel status word. */
export const SCSW = struct('SCSW', CHAPTER_16, {
  flags: be16,
  ctrl: be16,
  cpa: be32,
  dstat: u8,
  cstat: u8,
  count: be16,
})

export const SCSW_FLAGS = bits(16, 'SCSW flags', CHAPTER_16, {
  KEY: [15, 12],
  S: 11,
  L: 10,
  CC: [9, 8],
  F: 7,
  P: 6,
  I: 5,
  A: 4,
  U: 3,
  Z: 2,
  E: 1,
  N: 0,
})

/** Function control, activity control, status control. */
export const SCSW_CTRL = bits(16, 'SCSW control', CHAPTER_16, {
  START: 14,
  HALT: 13,
  CLEAR: 12,
  RESUME_PENDING: 11,
  START_PENDING: 10,
  HALT_PENDING: 9,
  CLEAR_PENDING: 8,
  SUBCHANNEL_ACTIVE: 7,
  DEVICE_ACTIVE: 6,
  SUSPENDED: 5,
  ALERT: 4,
  INTERMEDIATE: 3,
  PRIMARY: 2,
  SECONDARY: 1,
  STATUS_PENDING: 0,
})

export const DEVICE_STATUS = bits(8, 'device status', CHAPTER_16, {
  ATTENTION: 7,
  STATUS_MODIFIER: 6,
  CONTROL_UNIT_END: 5,
  BUSY: 4,
  CHANNEL_END: 3,
  DEVICE_END: 2,
  UNIT_CHECK: 1,
  UNIT_EXCEPTION: 0,
})

export const SUBCHANNEL_STATUS = bits(8, 'subchannel status', CHAPTER_16, {
  PCI: 7,
  INCORRECT_LENGTH: 6,
  PROGRAM_CHECK: 5,
  PROTECTION_CHECK: 4,
  CHANNEL_DATA_CHECK: 3,
  CHANNEL_CONTROL_CHECK: 2,
  INTERFACE_CONTROL_CHECK: 1,
  CHAINING_CHECK: 0,
})

/** The subchannel information block: what STSCH stores, and MSCH takes. */
export const SCHIB = struct('SCHIB', CHAPTER_15, { pmcw: PMCW, scsw: SCSW, mba: be64, mda: bytes(4) })

/** The interruption response block, without the extended measurement word: what TSCH stores. */
export const IRB = struct('IRB', CHAPTER_16, { scsw: SCSW, esw: bytes(20), ecw: bytes(32) })

/** Sense byte 0: the command is none of the device's. */
export const SENSE_COMMAND_REJECT = 0x80

/** What SENSE ID answers, without command information words. */
export const SENSE_ID = struct('SENSE ID', 'Common I/O-Device Commands (SA22-7204)', {
  reserved: u8,
  cu_type: be16,
  cu_model: u8,
  dev_type: be16,
  dev_model: u8,
  unused: u8,
})
/** Bytes of it with all the command information words that there can be. */
export const SENSE_ID_BYTES = 256

/** Fixed storage, from absolute address 0: what an I/O interruption stores there. */
export const IO_INTERRUPTION = struct('I/O interruption code', CHAPTER_14, {
  subsystem_id: be32,
  intparm: be32,
  word: be32,
})
export const IO_INTERRUPTION_ADDRESS = 0xb8

/** A: the interruption is an adapter's, not a subchannel's. */
export const IO_INTERRUPTION_WORD = bits(32, 'I/O interruption identification word', CHAPTER_14, {
  A: 31,
  ISC: [29, 27],
})

/** The subsystem identification word, as general register 1 has it. */
export const SUBSYSTEM_ID = bits(32, 'subsystem identification word', CHAPTER_14, {
  CSSID: [31, 24],
  M: 19,
  SSID: [18, 17],
  ONE: 16,
  SUBCHANNEL: [15, 0],
})

/** Names a subchannel of the image that software sees first. @param set - 0 to 3 */
export const subsystemId = (set: number, subchannel: number): number => ((set << 17) | (1 << 16) | subchannel) >>> 0

export const SUBCHANNEL_SETS = 4
export const SUBCHANNELS_IN_SET = 0x1_0000
