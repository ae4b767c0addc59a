import type { DmaPort } from '@dmascope/memory'
import {
  type ChannelDevice,
  COMMAND_DATA_CHECK,
  COMMAND_DONE,
  COMMAND_PROGRAM_CHECK,
  COMMAND_REJECTED,
  type CommandResult,
} from './channel-device.ts'
import { ChannelProgram } from './channel-program.ts'
import {
  CCW1,
  CONDITION,
  DEVICE_STATUS,
  IRB,
  ORB_WORD1,
  PMCW_CHARS,
  PMCW_FLAGS,
  SCHIB,
  SCSW_CTRL,
  SCSW_FLAGS,
  SENSE_COMMAND_REJECT,
  SUBCHANNEL_STATUS,
} from './spec/index.ts'

const FLAG = PMCW_FLAGS.fields
const CTRL = SCSW_CTRL.fields

const FUNCTIONS = CTRL.START.loMask | CTRL.HALT.loMask | CTRL.CLEAR.loMask
const ACTIVITY =
  CTRL.RESUME_PENDING.loMask |
  CTRL.START_PENDING.loMask |
  CTRL.HALT_PENDING.loMask |
  CTRL.CLEAR_PENDING.loMask |
  CTRL.SUSPENDED.loMask
const STATUS =
  CTRL.ALERT.loMask |
  CTRL.INTERMEDIATE.loMask |
  CTRL.PRIMARY.loMask |
  CTRL.SECONDARY.loMask |
  CTRL.STATUS_PENDING.loMask
/** Of `PMCW.flags`, what MSCH changes. */
const MODIFIABLE = FLAG.ISC.loMask | FLAG.E.loMask | FLAG.LM.loMask | FLAG.MM.loMask | FLAG.D.loMask
const SINGLE_PATH = 0x80

const pmcwAt = SCHIB.fields.pmcw.offset
const scsw = IRB.fields.scsw.fields
const ESW_LOGOUT = 0x0080_0000
const ESW_DATA_CHECK = 0x0480_4000
const ESW_CONCURRENT_SENSE = 0x0100_0000

/** Where a subchannel's interruptions wait for the processor. */
export interface InterruptionQueue {
  pend(subchannel: Subchannel): void
  withdraw(subchannel: Subchannel): void
  adapter(isc: number): void
}

/**
 * A subchannel: the state that its instructions work on, and the channel that carries out its programs. An instruction
 * latches and returns; CCWs are fetched, and data moves, in `work`.
 *
 * @param set - 0 to 3
 * @param number - within its set
 */
export class Subchannel {
  readonly set: number
  readonly number: number
  readonly deviceNumber: number
  readonly device: ChannelDevice
  readonly #interruptions: InterruptionQueue
  /** Null until there is a way to memory. */
  #program: ChannelProgram | null = null
  #intparm = 0
  #flags: number = FLAG.V.loMask
  #lpm = 0
  #pom = 0xff
  #mbi = 0
  #chars = 0
  #scswFlags = 0
  #ctrl = 0
  #cpa = 0
  #deviceStatus = 0
  #subchannelStatus = 0
  constructor(
    place: { readonly set: number; readonly number: number; readonly deviceNumber: number },
    device: ChannelDevice,
    interruptions: InterruptionQueue,
  ) {
    this.set = place.set
    this.number = place.number
    this.deviceNumber = place.deviceNumber
    this.device = device
    this.#interruptions = interruptions
  }

  /** Gives channel and device their way to memory. Once. */
  connect(dma: DmaPort): void {
    this.#program = new ChannelProgram(this.device, dma)
    this.device.connect(dma, {
      alert: () => this.#alert(),
      adapter: (isc) => this.#interruptions.adapter(isc),
    })
  }

  get enabled(): boolean {
    return (this.#flags & FLAG.E.loMask) !== 0
  }
  /** The interruption subclass, 0 to 7. */
  get isc(): number {
    return FLAG.ISC.get(this.#flags)
  }
  /** What an interruption of it bears. */
  get intparm(): number {
    return this.#intparm
  }

  /** STSCH. */
  store(schib: DataView): void {
    const pmcw = SCHIB.fields.pmcw.fields
    pmcw.intparm.set(schib, pmcwAt, this.#intparm)
    pmcw.flags.set(schib, pmcwAt, this.#flags)
    pmcw.dev.set(schib, pmcwAt, this.deviceNumber)
    pmcw.lpm.set(schib, pmcwAt, this.#lpm)
    pmcw.pim.set(schib, pmcwAt, SINGLE_PATH)
    pmcw.mbi.set(schib, pmcwAt, this.#mbi)
    pmcw.pom.set(schib, pmcwAt, this.#pom)
    pmcw.pam.set(schib, pmcwAt, SINGLE_PATH)
    pmcw.chars.set(schib, pmcwAt, this.#chars)
    this.#storeStatus(schib, SCHIB.fields.scsw.offset, this.#scswFlags)
  }

  /** MSCH. */
  modify(schib: DataView): number {
    if ((this.#ctrl & CTRL.STATUS_PENDING.loMask) !== 0) return CONDITION.statusPending
    if ((this.#ctrl & FUNCTIONS) !== 0) return CONDITION.busy
    const pmcw = SCHIB.fields.pmcw.fields
    const wasEnabled = this.enabled
    this.#intparm = pmcw.intparm.get(schib, pmcwAt)
    this.#flags = (this.#flags & ~MODIFIABLE) | (pmcw.flags.get(schib, pmcwAt) & MODIFIABLE)
    this.#lpm = pmcw.lpm.get(schib, pmcwAt)
    this.#mbi = pmcw.mbi.get(schib, pmcwAt)
    this.#pom = pmcw.pom.get(schib, pmcwAt)
    this.#chars = pmcw.chars.get(schib, pmcwAt) & (PMCW_CHARS.fields.F.loMask | PMCW_CHARS.fields.S.loMask)
    if (wasEnabled && !this.enabled) this.device.disabled()
    return CONDITION.done
  }

  /**
   * SSCH. What the ORB says of formats was checked.
   *
   * @param word1 - of the ORB
   * @param program - absolute address of the first CCW
   */
  start(intparm: number, word1: number, program: number): number {
    if (!this.enabled) return CONDITION.notOperational
    if ((this.#ctrl & CTRL.STATUS_PENDING.loMask) !== 0) return CONDITION.statusPending
    if ((this.#ctrl & FUNCTIONS) !== 0) return CONDITION.busy
    this.#intparm = intparm
    this.#program?.start(program, word1)
    this.#scswFlags = ORB_WORD1.fields.F.get(word1) === 1 ? SCSW_FLAGS.fields.F.loMask : 0
    this.#ctrl = CTRL.START.loMask | CTRL.START_PENDING.loMask
    this.#deviceStatus = 0
    this.#subchannelStatus = 0
    return CONDITION.done
  }

  /** HSCH. */
  halt(): number {
    if (!this.enabled) return CONDITION.notOperational
    if ((this.#ctrl & CTRL.STATUS_PENDING.loMask) !== 0) return CONDITION.statusPending
    if ((this.#ctrl & (CTRL.HALT.loMask | CTRL.CLEAR.loMask)) !== 0) return CONDITION.busy
    this.#ctrl |= CTRL.HALT.loMask | CTRL.HALT_PENDING.loMask
    return CONDITION.done
  }

  /** CSCH. */
  clear(): number {
    if (!this.enabled) return CONDITION.notOperational
    this.#interruptions.withdraw(this)
    this.#ctrl = CTRL.CLEAR.loMask | CTRL.CLEAR_PENDING.loMask
    this.#scswFlags = 0
    this.#deviceStatus = 0
    this.#subchannelStatus = 0
    return CONDITION.done
  }

  /** TSCH: the status, which is cleared by that. */
  test(irb: DataView): number {
    if (!this.enabled) return CONDITION.notOperational
    const pending = (this.#ctrl & CTRL.STATUS_PENDING.loMask) !== 0
    let flags = this.#scswFlags
    if (pending) flags |= this.#storeExtended(irb)
    this.#storeStatus(irb, 0, flags)
    if (!pending) return CONDITION.statusPending
    this.#interruptions.withdraw(this)
    this.#ctrl &= ~(STATUS | FUNCTIONS | ACTIVITY)
    if (PMCW_CHARS.fields.S.get(this.#chars) === 1) this.#program?.sense.fill(0)
    return CONDITION.done
  }

  /** Carries on what was started: a CCW a unit of the budget, then the device's own work. */
  work(budget: number): 'idle' | 'more' | 'waiting' {
    if (this.#ctrl & CTRL.CLEAR_PENDING.loMask) this.#endWith(CTRL.STATUS_PENDING.loMask)
    if (this.#ctrl & CTRL.HALT_PENDING.loMask) this.#endWith(CTRL.STATUS_PENDING.loMask)
    for (let left = budget; (this.#ctrl & CTRL.START_PENDING.loMask) !== 0; left--) {
      if (left === 0) return 'more'
      const result = this.#program === null ? COMMAND_PROGRAM_CHECK : this.#program.step()
      if (result !== null) this.#end(result)
    }
    return this.device.work(budget)
  }

  /** The program is over. */
  #end(result: CommandResult): void {
    this.#cpa = ((this.#program?.address ?? 0) + CCW1.size) >>> 0
    const ended = CTRL.PRIMARY.loMask | CTRL.SECONDARY.loMask | CTRL.STATUS_PENDING.loMask
    switch (result) {
      case COMMAND_DONE:
        this.#deviceStatus = DEVICE_STATUS.fields.CHANNEL_END.loMask | DEVICE_STATUS.fields.DEVICE_END.loMask
        this.#endWith(ended)
        break
      case COMMAND_REJECTED:
        this.#deviceStatus = DEVICE_STATUS.fields.UNIT_CHECK.loMask
        if (this.#program !== null) this.#program.sense[0] = SENSE_COMMAND_REJECT
        this.#endWith(ended | CTRL.ALERT.loMask)
        break
      case COMMAND_PROGRAM_CHECK:
        this.#subchannelStatus = SUBCHANNEL_STATUS.fields.PROGRAM_CHECK.loMask
        this.#endWith(ended | CTRL.ALERT.loMask)
        break
      case COMMAND_DATA_CHECK:
        this.#subchannelStatus = SUBCHANNEL_STATUS.fields.CHANNEL_DATA_CHECK.loMask
        this.#endWith(ended | CTRL.ALERT.loMask)
        break
    }
  }

  #endWith(status: number): void {
    this.#ctrl = (this.#ctrl & ~(ACTIVITY | STATUS)) | status
    this.#interruptions.pend(this)
  }

  #alert(): void {
    if (!this.enabled || (this.#ctrl & CTRL.STATUS_PENDING.loMask) !== 0) return
    this.#ctrl |= CTRL.ALERT.loMask | CTRL.STATUS_PENDING.loMask
    this.#interruptions.pend(this)
  }

  #storeStatus(into: DataView, at: number, flags: number): void {
    scsw.flags.set(into, at, flags)
    scsw.ctrl.set(into, at, this.#ctrl)
    scsw.cpa.set(into, at, this.#cpa)
    scsw.dstat.set(into, at, this.#deviceStatus)
    scsw.cstat.set(into, at, this.#subchannelStatus)
    scsw.count.set(into, at, this.#program?.residual ?? 0)
  }

  /** What an IRB has beside the status word. @returns flags of the status word that say so */
  #storeExtended(irb: DataView): number {
    const esw = IRB.fields.esw.offset
    const checks = SUBCHANNEL_STATUS.fields
    const logged = checks.CHANNEL_DATA_CHECK.loMask | checks.CHANNEL_CONTROL_CHECK.loMask
    let flags = 0
    if ((this.#subchannelStatus & (logged | checks.INTERFACE_CONTROL_CHECK.loMask)) !== 0) {
      flags |= SCSW_FLAGS.fields.L.loMask
      irb.setUint32(esw, ESW_DATA_CHECK)
    } else {
      irb.setUint32(esw, ESW_LOGOUT)
    }
    const unitCheck = (this.#deviceStatus & DEVICE_STATUS.fields.UNIT_CHECK.loMask) !== 0
    if (unitCheck && PMCW_CHARS.fields.S.get(this.#chars) === 1) {
      flags |= SCSW_FLAGS.fields.L.loMask | SCSW_FLAGS.fields.E.loMask
      const sense = this.#program?.sense ?? []
      irb.setUint32(esw + 4, ESW_CONCURRENT_SENSE | (sense.length << 8))
      for (const [index, byte] of sense.entries()) irb.setUint8(IRB.fields.ecw.offset + index, byte)
    }
    return flags
  }
}
