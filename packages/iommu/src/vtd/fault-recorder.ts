import { SeenFaults } from '../seen-faults.ts'
import { NO_PASID, type RequesterId } from '../translator.ts'
import { EventInterrupt } from './event-interrupt.ts'
import { FAULT_RECORDING_OFFSET, type SeenFault, type VtdFeatures, type VtdWiring } from './options.ts'
import type { RegisterFile } from './register-file.ts'
import { faultReason, faultText, isInterruptReason } from './spec/faults.ts'
import { FAULT_RECORDING, FRCD_HIGH, FSTS, VTD_REGISTERS } from './spec/registers.ts'

const { PFO, PPF, FRI, IQE, ICE, ITE } = FSTS.fields
const { F, T1, FR, PV, PP } = FRCD_HIGH.fields
const STATUS = VTD_REGISTERS.registers.FSTS.offset
/** Software has something to service while any of these is set. */
const CONDITIONS = PFO.loMask | PPF.loMask | IQE.loMask | ICE.loMask | ITE.loMask
/** Words of a fault recording register: the address, then the source, then reason and flags. */
const SOURCE = 8
const REASON = 12

/** Primary fault logging: FSTS_REG, the fault recording registers and the fault event. */
export class FaultRecorder extends SeenFaults<SeenFault> {
  readonly event: EventInterrupt
  readonly #registers: RegisterFile
  readonly #records: number
  readonly #collapse: boolean
  #next = 0

  constructor(registers: RegisterFile, features: VtdFeatures, wiring: VtdWiring) {
    super(wiring.onFault)
    this.#registers = registers
    this.#records = features.faultRecords
    this.#collapse = features.collapseFaults
    this.event = new EventInterrupt(registers, VTD_REGISTERS.registers.FECTL.offset, wiring.raiseMsi)
  }

  /**
   * Records a fault where the registers have room, and answers its reason.
   *
   * @param lo - with `hi`, the address; for an interrupt, `lo` is its index
   * @param disabled - FPD of the entry that the request was processed through
   * @param pasid - that the request bore
   */
  report(
    requester: RequesterId,
    access: SeenFault['access'],
    hi: number,
    lo: number,
    reason: number,
    disabled: boolean,
    pasid = NO_PASID,
  ): number {
    const silent = disabled && faultReason(reason)?.qualified === true
    const recorded = !silent && this.#record(requester, access, hi, lo, reason, pasid)
    this.#tell(requester, access, hi, lo, reason, faultText(reason), recorded, pasid)
    return reason
  }

  /** A request that was refused without a fault that hardware records. */
  reportUnrecorded(
    requester: RequesterId,
    access: SeenFault['access'],
    hi: number,
    lo: number,
    reason: number,
    text: string,
    pasid = NO_PASID,
  ): number {
    this.#tell(requester, access, hi, lo, reason, text, false, pasid)
    return reason
  }

  #tell(
    requester: RequesterId,
    access: SeenFault['access'],
    hi: number,
    lo: number,
    reason: number,
    text: string,
    recorded: boolean,
    pasid: number,
  ): void {
    if (!this.countFault()) return
    const plain: SeenFault = { requester, access, hi: hi >>> 0, lo: lo >>> 0, reason, text, recorded }
    this.tellFault(pasid === NO_PASID ? plain : { ...plain, pasid })
  }

  #record(
    requester: RequesterId,
    access: SeenFault['access'],
    hi: number,
    lo: number,
    reason: number,
    pasid: number,
  ): boolean {
    const registers = this.#registers
    const before = registers.get(STATUS)
    if ((before & PFO.loMask) !== 0) return false
    if (this.#collapse && this.#hasPending(requester)) return false
    const base = FAULT_RECORDING_OFFSET + this.#next * FAULT_RECORDING.size
    if ((registers.get(base + REASON) & F.hiMask) !== 0) {
      registers.set(STATUS, (before | PFO.loMask) >>> 0)
      return false
    }
    const interrupt = isInterruptReason(reason)
    registers.set(base, interrupt ? 0 : (lo & -4096) >>> 0)
    // The index of an interrupt stands in the upper 16 bits of FI.
    registers.set(base + 4, interrupt ? (lo << 16) >>> 0 : hi >>> 0)
    const present = pasid === NO_PASID ? 0 : PP.loMask
    const value = pasid === NO_PASID ? 0 : pasid
    registers.set(base + SOURCE, ((requester & 0xffff) | present) >>> 0)
    const type = access === 'read' ? T1.hiMask : 0
    registers.set(base + REASON, (F.hiMask | type | FR.setHi(0, reason) | PV.setHi(0, value)) >>> 0)
    const first = (before & PPF.loMask) === 0
    const index = first ? FRI.setLo(before, this.#next) : before
    registers.set(STATUS, (index | PPF.loMask) >>> 0)
    this.#next = (this.#next + 1) % this.#records
    if ((before & CONDITIONS) === 0) this.event.signal()
    return true
  }

  #hasPending(requester: RequesterId): boolean {
    for (let index = 0; index < this.#records; index++) {
      const base = FAULT_RECORDING_OFFSET + index * FAULT_RECORDING.size
      const pending = (this.#registers.get(base + REASON) & F.hiMask) !== 0
      if (pending && (this.#registers.get(base + SOURCE) & 0xffff) === (requester & 0xffff)) return true
    }
    return false
  }

  /** An error of the invalidation queue: a bit of FSTS, and a fault event if nothing was pending before. */
  raiseCondition(bit: number): void {
    const before = this.#registers.get(STATUS)
    this.#registers.set(STATUS, (before | bit) >>> 0)
    if ((before & CONDITIONS) === 0) this.event.signal()
  }

  /** Whether FSTS has this bit. */
  hasCondition(bit: number): boolean {
    return (this.#registers.get(STATUS) & bit) !== 0
  }

  /** Software wrote FSTS or a fault recording register: PPF follows the records, IP the conditions. */
  refresh(): void {
    let pending = false
    for (let index = 0; index < this.#records && !pending; index++) {
      const base = FAULT_RECORDING_OFFSET + index * FAULT_RECORDING.size
      pending = (this.#registers.get(base + REASON) & F.hiMask) !== 0
    }
    const status = this.#registers.get(STATUS)
    // FRI means something only while PPF is set.
    const next = pending ? status | PPF.loMask : status & ~(PPF.loMask | FRI.loMask)
    this.#registers.set(STATUS, next >>> 0)
    if ((next & CONDITIONS) === 0) this.event.withdraw()
  }

  override reset(): void {
    super.reset()
    this.#next = 0
  }
}
