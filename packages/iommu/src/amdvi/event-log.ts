import type { GuestRam } from '@dmascope/memory'
import { SeenFaults } from '../seen-faults.ts'
import type { RequesterId } from '../translator.ts'
import { faultOf } from './faults.ts'
import type { AmdViWiring, SeenFault } from './options.ts'
import type { RegisterFile } from './register-file.ts'
import { EVENT, EVENT_CODE, IO_PAGE_FAULT } from './spec/events.ts'
import { AMDVI_REGISTERS, CONTROL, EVENT_LOG_BASE, STATUS } from './spec/registers.ts'

const AT = AMDVI_REGISTERS.registers
const { EventOverflow, EventLogInt, EventLogRun } = STATUS.fields
const { I, RW, TR } = IO_PAGE_FAULT.fields
/** EventLen below 8 is reserved. */
const SHORTEST = 8

/** The event log in guest memory, its overflow and its interrupt; and what observers are told. */
export class EventLog extends SeenFaults<SeenFault> {
  readonly #ram: GuestRam
  readonly #registers: RegisterFile
  readonly #raiseMsi: (message: number) => void

  constructor(registers: RegisterFile, wiring: AmdViWiring) {
    super(wiring.onFault)
    this.#registers = registers
    this.#ram = wiring.ram
    this.#raiseMsi = wiring.raiseMsi
  }

  /** Software wrote Control: the log runs while it is enabled, and after an overflow not before it is enabled anew. */
  controlWritten(before: number): void {
    const control = this.#registers.get(AT.Control.offset)
    const needed = CONTROL.fields.IommuEn.loMask | CONTROL.fields.EventLogEn.loMask
    const enabled = (control & needed) === needed
    const rising = enabled && (before & needed) !== needed
    const length = EVENT_LOG_BASE.fields.EventLen.get(0, this.#registers.get(AT.EventLogBase.offset + 4))
    if (!enabled || length < SHORTEST) this.#setStatus(0, EventLogRun.loMask)
    else if (rising && !this.#hasStatus(EventOverflow.loMask)) this.#setStatus(EventLogRun.loMask, 0)
  }

  /** Writing the base address empties the log. */
  baseWritten(): void {
    this.#registers.set(AT.EventHead.offset, 0)
    this.#registers.set(AT.EventTail.offset, 0)
  }

  /**
   * Logs a fault, and answers its value.
   *
   * @param domain - of the requester, where its entry was read
   * @param suppressed - the requester's entry keeps it out of the log
   */
  report(
    requester: RequesterId,
    access: SeenFault['access'],
    hi: number,
    lo: number,
    value: number,
    domain: number,
    suppressed: boolean,
    translationRequest = false,
  ): number {
    const fault = faultOf(value)
    let recorded = false
    if (fault !== undefined && !suppressed) {
      // INVALID_DEVICE_REQUEST does not tell the direction, but by its type.
      const write = access === 'write' && (value & 0xf) !== EVENT_CODE.INVALID_DEVICE_REQUEST
      const own = access === 'interrupt' ? I.hiMask : write ? RW.hiMask : 0
      const request = translationRequest ? TR.hiMask : 0
      recorded = this.#append(Math.max(requester, 0), fault.eventHi | own | request | domain, hi, lo)
    }
    this.tell(requester, access, hi, lo, value, fault?.text ?? `fault 0x${value.toString(16)}`, recorded)
    return value
  }

  /** Tells observers of what is never logged, or was just logged. */
  tell(
    requester: RequesterId,
    access: SeenFault['access'],
    hi: number,
    lo: number,
    reason: number,
    text: string,
    recorded: boolean,
  ): void {
    if (!this.countFault()) return
    this.tellFault({ requester, access, hi: hi >>> 0, lo: lo >>> 0, reason, text, recorded })
  }

  #append(deviceId: number, eventHi: number, hi: number, lo: number): boolean {
    const registers = this.#registers
    if (!this.#hasStatus(EventLogRun.loMask)) return false
    const size = EVENT.size * 2 ** EVENT_LOG_BASE.fields.EventLen.get(0, registers.get(AT.EventLogBase.offset + 4))
    const tail = registers.get(AT.EventTail.offset) % size
    const next = (tail + EVENT.size) % size
    if (next === registers.get(AT.EventHead.offset) % size) {
      // §2.5: the log stops until software resets it; the interrupt is that of the log.
      this.#setStatus(EventOverflow.loMask, EventLogRun.loMask)
      this.#interrupt()
      return false
    }
    const at = this.#ram.offsetToWrite(registers.base(AT.EventLogBase.offset) + tail, EVENT.size)
    if (at < 0) return false
    const { low, address } = EVENT.fields
    const { view } = this.#ram
    low.lo.set(view, at, deviceId & 0xffff)
    low.hi.set(view, at, eventHi >>> 0)
    address.lo.set(view, at, lo >>> 0)
    address.hi.set(view, at, hi >>> 0)
    registers.set(AT.EventTail.offset, next)
    const pending = this.#hasStatus(EventLogInt.loMask)
    this.#setStatus(EventLogInt.loMask, 0)
    if (!pending) this.#interrupt()
    return true
  }

  #interrupt(): void {
    const enabled = (this.#registers.get(AT.Control.offset) & CONTROL.fields.EventIntEn.loMask) !== 0
    if (enabled) this.#raiseMsi(0)
  }

  #hasStatus(bit: number): boolean {
    return (this.#registers.get(AT.Status.offset) & bit) !== 0
  }

  #setStatus(set: number, clear: number): void {
    const old = this.#registers.get(AT.Status.offset)
    this.#registers.set(AT.Status.offset, ((old & ~clear) | set) >>> 0)
  }
}
