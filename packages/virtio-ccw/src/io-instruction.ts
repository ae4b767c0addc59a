import type { ChannelSubsystem } from './channel-subsystem.ts'
import {
  CONDITION,
  IO_INSTRUCTION,
  IRB,
  ORB,
  ORB_WORD1,
  PROGRAM_INTERRUPTION,
  SCHIB,
  SUBSYSTEM_ID,
} from './spec/index.ts'
import type { Subchannel } from './subchannel.ts'

const ID = SUBSYSTEM_ID.fields
const WORD1 = ORB_WORD1.fields
/** Of an ORB's word 1, what must be zero: no transport mode, no reserved bits. */
const ORB_ZERO = WORD1.B.loMask | 0x3e
const ADDRESS_LIMIT = 0x8000_0000
/** Of a path management control word's flags, what must be zero in MSCH. */
const PMCW_ZERO = 0xc700

/** Storage, as the processor's operands reach it. */
export interface OperandStorage {
  /** Whether all of it is there. */
  covers(address: number, length: number): boolean
  readBytes(address: number, into: Uint8Array): void
  writeBytes(address: number, from: Uint8Array): void
}

const operand = { orb: new Uint8Array(ORB.size), schib: new Uint8Array(SCHIB.size), irb: new Uint8Array(IRB.size) }
const orb = new DataView(operand.orb.buffer)
const schib = new DataView(operand.schib.buffer)
const irb = new DataView(operand.irb.buffer)

/**
 * One instruction of the channel subsystem's.
 *
 * @param code - the operation code, of `IO_INSTRUCTION`
 * @param id - general register 1
 * @param address - of the second operand, absolute; of instructions that have one
 * @param started - is called with a subchannel that has work to do now
 * @returns the condition code, or a program interruption's code, negative
 */
export function ioInstruction(
  css: ChannelSubsystem,
  storage: OperandStorage,
  code: number,
  id: number,
  address: number,
  started: (subchannel: Subchannel) => void,
): number {
  // There is one image alone, and software has not asked to see more (CHSC).
  if (ID.ONE.get(id) !== 1 || ID.CSSID.get(id) !== 0 || ID.M.get(id) !== 0) return PROGRAM_INTERRUPTION.operand
  const set = ID.SSID.get(id)
  const number = ID.SUBCHANNEL.get(id)
  const subchannel = css.find(set, number)
  if (code === IO_INSTRUCTION.CSCH || code === IO_INSTRUCTION.HSCH) {
    const condition = code === IO_INSTRUCTION.CSCH ? subchannel?.clear() : subchannel?.halt()
    if (subchannel !== null && condition === CONDITION.done) started(subchannel)
    return condition ?? CONDITION.notOperational
  }
  const length = OPERAND_BYTES[code]
  if (length === undefined) return PROGRAM_INTERRUPTION.operation
  if (address % 4 !== 0) return PROGRAM_INTERRUPTION.specification
  if (!storage.covers(address, length)) return PROGRAM_INTERRUPTION.addressing
  switch (code) {
    case IO_INSTRUCTION.STSCH:
      if (subchannel === null && css.isBeyond(set, number)) return CONDITION.notOperational
      operand.schib.fill(0)
      subchannel?.store(schib)
      storage.writeBytes(address, operand.schib)
      return CONDITION.done
    case IO_INSTRUCTION.MSCH:
      storage.readBytes(address, operand.schib)
      if ((SCHIB.fields.pmcw.fields.flags.get(schib, SCHIB.fields.pmcw.offset) & PMCW_ZERO) !== 0) {
        return PROGRAM_INTERRUPTION.operand
      }
      return subchannel?.modify(schib) ?? CONDITION.notOperational
    case IO_INSTRUCTION.SSCH:
      return start(subchannel, storage, address, started)
    default: {
      operand.irb.fill(0)
      const condition = subchannel?.test(irb) ?? CONDITION.notOperational
      if (condition !== CONDITION.notOperational) storage.writeBytes(address, operand.irb)
      return condition
    }
  }
}

/** DEVIATION: CCWs of format 0, with their 24 bits of address, are taken for an operand exception. */
function start(
  subchannel: Subchannel | null,
  storage: OperandStorage,
  address: number,
  started: (subchannel: Subchannel) => void,
): number {
  storage.readBytes(address, operand.orb)
  const word1 = ORB.fields.word1.get(orb, 0)
  const program = ORB.fields.cpa.get(orb, 0)
  if ((word1 & ORB_ZERO) !== 0 || WORD1.F.get(word1) !== 1 || program >= ADDRESS_LIMIT) {
    return PROGRAM_INTERRUPTION.operand
  }
  if (subchannel === null) return CONDITION.notOperational
  const condition = subchannel.start(ORB.fields.intparm.get(orb, 0), word1, program)
  if (condition === CONDITION.done) started(subchannel)
  return condition
}

const OPERAND_BYTES: Readonly<Record<number, number>> = {
  [IO_INSTRUCTION.STSCH]: SCHIB.size,
  [IO_INSTRUCTION.MSCH]: SCHIB.size,
  [IO_INSTRUCTION.SSCH]: ORB.size,
  [IO_INSTRUCTION.TSCH]: IRB.size,
}
