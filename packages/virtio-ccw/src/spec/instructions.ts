/**
 * Instructions by which software reaches the channel subsystem, by their operation codes (z/Architecture Principles of
 * Operation, chapter 14). General register 1 names the subchannel, the second operand is a storage address.
 */
export const IO_INSTRUCTION = {
  CSCH: 0xb230,
  HSCH: 0xb231,
  MSCH: 0xb232,
  SSCH: 0xb233,
  STSCH: 0xb234,
  TSCH: 0xb235,
} as const

/** What an instruction answers where it ends in a program interruption: the interruption code, negative. */
export const PROGRAM_INTERRUPTION = {
  operation: -0x01,
  addressing: -0x05,
  specification: -0x06,
  operand: -0x15,
} as const

/** Condition codes of SSCH, TSCH, STSCH, MSCH, CSCH and HSCH. */
export const CONDITION = {
  /** The function was done, or started; of TSCH: status was pending. */
  done: 0,
  /** Status is pending; of TSCH: none is. */
  statusPending: 1,
  busy: 2,
  notOperational: 3,
} as const
