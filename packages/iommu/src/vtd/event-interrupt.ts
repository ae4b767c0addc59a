import type { RegisterFile } from './register-file.ts'
import { FECTL } from './spec/registers.ts'

const IM = FECTL.fields.IM.loMask
const IP = FECTL.fields.IP.loMask
/** Both events have control, data, address and upper address in this order. */
const DATA = 4
const ADDRESS = 8
const UPPER_ADDRESS = 12

/** One of the unit's own interrupts: the fault event, or the invalidation completion event. */
export class EventInterrupt {
  readonly #registers: RegisterFile
  readonly #control: number
  readonly #raise: (hi: number, lo: number, data: number) => void

  /** @param control - offset of FECTL_REG or IECTL_REG */
  constructor(registers: RegisterFile, control: number, raise: (hi: number, lo: number, data: number) => void) {
    this.#registers = registers
    this.#control = control
    this.#raise = raise
  }

  /** The event's condition came up: a message, or where it is masked, IP until it is unmasked. */
  signal(): void {
    this.#registers.set(this.#control, (this.#registers.get(this.#control) | IP) >>> 0)
    this.deliver()
  }

  /** Sends what is pending and not masked; called when software wrote the control register. */
  deliver(): void {
    const control = this.#registers.get(this.#control)
    if ((control & IP) === 0 || (control & IM) !== 0) return
    this.withdraw()
    const registers = this.#registers
    this.#raise(
      registers.get(this.#control + UPPER_ADDRESS),
      registers.get(this.#control + ADDRESS),
      registers.get(this.#control + DATA),
    )
  }

  /** Software has serviced every condition: nothing is pending any more. */
  withdraw(): void {
    this.#registers.set(this.#control, (this.#registers.get(this.#control) & ~IP) >>> 0)
  }
}
