import type { GuestRam } from '@dmascope/memory'
import type { Translation } from '../translator.ts'
import {
  ACCESS_FLAG_FREE,
  FLAGS,
  FLAT,
  GRANULE,
  KIND,
  KIND_NESTED,
  MASK_HI,
  MASK_LO,
  OUTPUT_BEYOND_HI,
  PRIVILEGED,
  SHIFT,
  STAGE_2_ACCESS_FLAG_FREE,
  STAGE_2_GRANULE,
  STAGE_2_INPUT_BITS,
  STAGE_2_OUTPUT_BITS,
  STAGE_2_SHIFT,
  STAGE_2_TABLE,
  STAGE_2_TOP,
  TABLE,
  TOP,
} from './configuration.ts'
import { EVENT_CLASS, EVENTS } from './spec/events.ts'
import { STAGE_1_DESCRIPTOR_BITS, STAGE_2_DESCRIPTOR_BITS } from './spec/tables.ts'

const READ = 1
const { AF, nG } = STAGE_1_DESCRIPTOR_BITS.fields
const { S2AP } = STAGE_2_DESCRIPTOR_BITS.fields
const AP_UNPRIVILEGED = 0x40
const AP_READ_ONLY = 0x80
const TABLE_UNPRIVILEGED_NONE_HI = 0x2000_0000
const TABLE_READ_ONLY_HI = 0x4000_0000

/** Why a walk ended, as the event is to tell it. */
export interface WalkFault {
  /** The event. */
  reason: number
  stage2: boolean
  /** What was translated: a value of EVENT_CLASS. */
  class: number
  /** The intermediate address of a stage 2 fault, or the descriptor of F_WALK_EABT that could not be read. */
  address: number
}

/**
 * Both stages, with any granule: stage 1 through `StageOneWalk` alone is quicker and comes to the same. Addresses that
 * translation puts out are below 2^48, and so are Numbers here. Nothing is cached on the way.
 */
export class StagedWalk {
  /** After a walk that did not answer 0. */
  readonly fault: WalkFault = { reason: 0, stage2: false, class: EVENT_CLASS.IN, address: 0 }
  /** After a walk that answered 0: whether stage 1's page belongs to every ASID, and what stage 1 alone grants. */
  global = false
  stage1Rights = 3
  readonly #ram: GuestRam
  #entryLo = 0
  #entryHi = 0
  #rights = 0
  #log2Size = 0

  constructor(ram: GuestRam) {
    this.#ram = ram
  }

  /** Stage 1 of an address in `region`, and stage 2 where the stream has it. Answers 0 or the event, and fills `out`. */
  walk(
    words: Int32Array,
    line: number,
    region: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const addressHi = (hi & ~words[region + MASK_HI]!) >>> 0
    const address = addressHi * 0x1_0000_0000 + ((lo & ~words[region + MASK_LO]!) >>> 0)
    const output = this.#stageOne(words, line, region, address, access)
    if (output < 0) return this.fault.reason
    this.stage1Rights = this.#rights
    let physical = output
    let rights = this.#rights
    let log2Size = this.#log2Size
    if (words[line + KIND] === KIND_NESTED) {
      physical = this.#stageTwo(words, line, output, access, EVENT_CLASS.IN)
      if (physical < 0) return this.fault.reason
      rights &= this.#rights
      log2Size = Math.min(log2Size, this.#log2Size)
    }
    return fill(out, physical, log2Size, rights)
  }

  /** Stage 2 alone. An address beyond the output size never reaches it: that is stage 1's to refuse, though it is off. */
  walkStageTwo(
    words: Int32Array,
    line: number,
    outputBits: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const address = (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0)
    if (address >= 2 ** outputBits) {
      this.#refuse(EVENTS.F_ADDR_SIZE.value, false, EVENT_CLASS.IN, 0)
      return this.fault.reason
    }
    const physical = this.#stageTwo(words, line, address, access, EVENT_CLASS.IN)
    if (physical < 0) return this.fault.reason
    this.global = false
    this.stage1Rights = 3
    return fill(out, physical, this.#log2Size, this.#rights)
  }

  /** Where a nested stream's context descriptor lies in memory; -1 where stage 2 refuses it. */
  contextDescriptor(words: Int32Array, line: number, address: number, access: number): number {
    return this.#stageTwo(words, line, address, access, EVENT_CLASS.CD)
  }

  /** Answers the output address, or -1. */
  #stageOne(words: Int32Array, line: number, region: number, address: number, access: number): number {
    const granule = words[region + GRANULE]!
    const flags = words[line + FLAGS]!
    const nested = words[line + KIND] === KIND_NESTED
    let table = words[region + TABLE]! * 4096 + words[region + TOP]! * 8
    let rights = 3
    for (let shift = words[region + SHIFT]!; ; shift -= granule - 3) {
      const index = Math.floor(address / 2 ** shift) % 2 ** (granule - 3)
      let descriptor = table + index * 8
      if (nested) {
        descriptor = this.#stageTwo(words, line, descriptor, READ, EVENT_CLASS.TT)
        if (descriptor < 0) return -1
      }
      if (!this.#read(descriptor)) {
        return this.#refuse(EVENTS.F_WALK_EABT.value, false, EVENT_CLASS.TT, descriptor)
      }
      const entryLo = this.#entryLo
      const entryHi = this.#entryHi
      const kind = kindOf(entryLo, shift, granule)
      if (kind === 'invalid') return this.#refuse(EVENTS.F_TRANSLATION.value, false, EVENT_CLASS.IN, 0)
      if ((entryHi & words[line + OUTPUT_BEYOND_HI]!) !== 0) {
        return this.#refuse(EVENTS.F_ADDR_SIZE.value, false, EVENT_CLASS.IN, 0)
      }
      if (kind === 'table') {
        if (words[region + FLAT] === 0) rights &= tableRights(entryHi, flags)
        table = addressOf(entryLo, entryHi, granule)
        continue
      }
      if ((entryLo & AF.loMask) === 0 && (flags & ACCESS_FLAG_FREE) === 0) {
        return this.#refuse(EVENTS.F_ACCESS.value, false, EVENT_CLASS.IN, 0)
      }
      if ((entryLo & AP_READ_ONLY) !== 0) rights &= 1
      if ((entryLo & AP_UNPRIVILEGED) === 0 && (flags & PRIVILEGED) === 0) rights = 0
      if ((rights & access) !== access) return this.#refuse(EVENTS.F_PERMISSION.value, false, EVENT_CLASS.IN, 0)
      this.global = (entryLo & nG.loMask) === 0
      this.#rights = rights
      this.#log2Size = shift
      return addressOf(entryLo, entryHi, shift) + (address % 2 ** shift)
    }
  }

  /** Answers the output address, or -1. */
  #stageTwo(words: Int32Array, line: number, address: number, access: number, className: number): number {
    const granule = words[line + STAGE_2_GRANULE]!
    const inputBits = words[line + STAGE_2_INPUT_BITS]!
    if (address >= 2 ** inputBits) return this.#refuse(EVENTS.F_TRANSLATION.value, true, className, address)
    let table = words[line + STAGE_2_TABLE]! * 4096 + words[line + STAGE_2_TOP]! * 8
    const first = words[line + STAGE_2_SHIFT]!
    for (let shift = first; ; shift -= granule - 3) {
      // Up to 16 tables stand side by side at the top.
      const number = Math.floor(address / 2 ** shift)
      const index = shift === first ? number : number % 2 ** (granule - 3)
      const descriptor = table + index * 8
      if (!this.#read(descriptor)) return this.#refuse(EVENTS.F_WALK_EABT.value, true, className, descriptor)
      const entryLo = this.#entryLo
      const entryHi = this.#entryHi
      const kind = kindOf(entryLo, shift, granule)
      if (kind === 'invalid') return this.#refuse(EVENTS.F_TRANSLATION.value, true, className, address)
      if ((entryHi & 0xffff) >= 2 ** (words[line + STAGE_2_OUTPUT_BITS]! - 32)) {
        return this.#refuse(EVENTS.F_ADDR_SIZE.value, true, className, address)
      }
      if (kind === 'table') {
        table = addressOf(entryLo, entryHi, granule)
        continue
      }
      if ((entryLo & AF.loMask) === 0 && (words[line + FLAGS]! & STAGE_2_ACCESS_FLAG_FREE) === 0) {
        return this.#refuse(EVENTS.F_ACCESS.value, true, className, address)
      }
      const rights = S2AP.get(entryLo)
      if ((rights & access) !== access) return this.#refuse(EVENTS.F_PERMISSION.value, true, className, address)
      this.#rights = rights
      this.#log2Size = shift
      return addressOf(entryLo, entryHi, shift) + (address % 2 ** shift)
    }
  }

  #read(address: number): boolean {
    const at = this.#ram.offsetToRead(address)
    if (at < 0) return false
    this.#entryLo = this.#ram.view.getInt32(at, true)
    this.#entryHi = this.#ram.view.getInt32(at + 4, true)
    return true
  }

  #refuse(reason: number, stage2: boolean, className: number, address: number): -1 {
    this.fault.reason = reason
    this.fault.stage2 = stage2
    this.fault.class = className
    this.fault.address = address
    return -1
  }
}

function fill(out: Translation, physical: number, log2Size: number, rights: number): 0 {
  out.hi = Math.floor(physical / 0x1_0000_0000)
  out.lo = physical % 0x1_0000_0000
  out.log2Size = log2Size
  out.rights = rights
  return 0
}

const addressOf = (entryLo: number, entryHi: number, log2Aligned: number): number => {
  const address = (entryHi & 0xffff) * 0x1_0000_0000 + ((entryLo & -4096) >>> 0)
  return address - (address % 2 ** log2Aligned)
}

/** Blocks are of level 2, and with the 4 KiB granule of level 1 too. */
function kindOf(entryLo: number, shift: number, granule: number): 'invalid' | 'table' | 'leaf' {
  const type = entryLo & 3
  if ((type & 1) === 0) return 'invalid'
  if (shift === granule) return type === 3 ? 'leaf' : 'invalid'
  if (type === 3) return 'table'
  return shift === 2 * granule - 3 || (granule === 12 && shift === 30) ? 'leaf' : 'invalid'
}

function tableRights(entryHi: number, flags: number): number {
  if ((entryHi & TABLE_UNPRIVILEGED_NONE_HI) !== 0 && (flags & PRIVILEGED) === 0) return 0
  return (entryHi & TABLE_READ_ONLY_HI) !== 0 ? 1 : 3
}
