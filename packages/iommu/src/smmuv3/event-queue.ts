import { SeenFaults } from '../seen-faults.ts'
import type { RequesterId } from '../translator.ts'
import type { GlobalErrors } from './global-errors.ts'
import type { SeenFault, SmmuV3Features, SmmuV3Wiring } from './options.ts'
import type { RegisterFile } from './register-file.ts'
import { EVENT, EVENT_1, EVENT_CLASS, EVENTS, eventText } from './spec/events.ts'
import { CR0, CR2, EVENTQ_BASE, EVENTQ_PROD, GERROR, IRQ_CTRL, SMMU_REGISTERS } from './spec/registers.ts'
import type { WalkFault } from './staged-walk.ts'

const AT = SMMU_REGISTERS.registers
const { CLASS, S2, RnW } = EVENT_1.fields
const { word0, word1, word2, word3 } = EVENT.fields

/** The event queue in guest memory, its overflow and its interrupt; and what observers are told. */
export class EventQueue extends SeenFaults<SeenFault> {
  readonly #registers: RegisterFile
  readonly #features: SmmuV3Features
  readonly #wiring: SmmuV3Wiring
  readonly #errors: GlobalErrors

  constructor(registers: RegisterFile, features: SmmuV3Features, wiring: SmmuV3Wiring, errors: GlobalErrors) {
    super(wiring.onFault)
    this.#registers = registers
    this.#features = features
    this.#wiring = wiring
    this.#errors = errors
  }

  /** A configuration that no transaction gets through; `address` is what could not be fetched. Answers its number. */
  reportConfiguration(
    requester: RequesterId,
    access: number,
    hi: number,
    lo: number,
    event: number,
    address = 0,
  ): number {
    const wanted =
      event !== EVENTS.C_BAD_STREAMID.value || (this.#registers.get(AT.CR2.offset) & CR2.fields.RECINVSID.loMask) !== 0
    const recorded = wanted && this.#append(requester, event, 0, 0, 0, address)
    this.tell(requester, access, hi, lo, event, eventText(event), recorded)
    return event
  }

  /**
   * A fault of a walk. Answers its number.
   *
   * @param recorded - CD.R or STE.S2R, which hold for all but F_WALK_EABT
   */
  reportWalk(
    requester: RequesterId,
    access: number,
    hi: number,
    lo: number,
    fault: Readonly<WalkFault>,
    recorded: boolean,
  ): number {
    const { reason } = fault
    const aborted = reason === EVENTS.F_WALK_EABT.value
    let flags = (access & 2) === 0 ? RnW.hiMask : 0
    if (fault.stage2) flags |= S2.hiMask
    const told = this.#features.recordsClass || aborted ? fault.class : EVENT_CLASS.CD
    flags = CLASS.setHi(flags, told)
    // A stage 2 fault tells the intermediate address of the page, an abort that of the descriptor.
    const address = aborted ? fault.address : fault.stage2 ? fault.address - (fault.address % 4096) : 0
    const done = (recorded || aborted) && this.#append(requester, reason, flags, hi, lo, address)
    this.tell(requester, access, hi, lo, reason, eventText(reason), done)
    return reason
  }

  /** Tells observers of what is never recorded, or was just recorded. */
  tell(
    requester: RequesterId,
    access: number,
    hi: number,
    lo: number,
    reason: number,
    text: string,
    recorded: boolean,
  ): void {
    if (!this.countFault()) return
    const kind = (access & 2) === 0 ? 'read' : 'write'
    this.tellFault({ requester, access: kind, hi: hi >>> 0, lo: lo >>> 0, reason, text, recorded })
  }

  #append(stream: number, event: number, flagsHi: number, hi: number, lo: number, address: number): boolean {
    const registers = this.#registers
    if ((registers.get(AT.CR0.offset) & CR0.fields.EVENTQEN.loMask) === 0) return false
    const baseLo = registers.get(AT.EVENTQ_BASE.offset)
    const baseHi = registers.get(AT.EVENTQ_BASE.offset + 4)
    const entries = 2 ** Math.min(EVENTQ_BASE.fields.LOG2SIZE.get(baseLo), this.#features.log2Events)
    const prod = registers.get(AT.EVENTQ_PROD.offset)
    const cons = registers.get(AT.EVENTQ_CONS.offset)
    const behind = (prod ^ cons) & (2 * entries - 1)
    if (behind === entries) {
      this.#overflow(prod, cons)
      return false
    }
    const size = entries * EVENT.size
    const base = EVENTQ_BASE.fields.ADDR.get(baseLo, baseHi)
    const at = this.#wiring.ram.offsetToWrite(base - (base % size) + (prod & (entries - 1)) * EVENT.size, EVENT.size)
    if (at < 0) {
      this.#errors.raise(GERROR.fields.EVENTQ_ABT_ERR.loMask)
      return false
    }
    const { view } = this.#wiring.ram
    word0.lo.set(view, at, event)
    word0.hi.set(view, at, stream)
    word1.lo.set(view, at, 0)
    word1.hi.set(view, at, flagsHi >>> 0)
    word2.lo.set(view, at, lo >>> 0)
    word2.hi.set(view, at, hi >>> 0)
    word3.lo.set(view, at, address >>> 0)
    word3.hi.set(view, at, Math.floor(address / 0x1_0000_0000))
    const next = (prod + 1) & (2 * entries - 1)
    registers.set(AT.EVENTQ_PROD.offset, ((prod & EVENTQ_PROD.fields.OVFLG.loMask) | next) >>> 0)
    // The interrupt tells that the queue is no longer empty.
    const enabled = (registers.get(AT.IRQ_CTRL.offset) & IRQ_CTRL.fields.EVENTQ_IRQEN.loMask) !== 0
    if (behind === 0 && enabled) this.#wiring.raiseInterrupt('eventq')
    return true
  }

  /** Events are lost: OVFLG comes to differ from what software has acknowledged. */
  #overflow(prod: number, cons: number): void {
    if (!this.#features.overflowFlag) {
      this.#errors.raise(GERROR.fields.EVENTQ_ABT_ERR.loMask)
      return
    }
    const flag = EVENTQ_PROD.fields.OVFLG.loMask
    if (((prod ^ cons) & flag) === 0) this.#registers.set(AT.EVENTQ_PROD.offset, (prod ^ flag) >>> 0)
  }
}
