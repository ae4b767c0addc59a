import type { SmmuV3Wiring } from './options.ts'
import type { RegisterFile } from './register-file.ts'
import { IRQ_CTRL, SMMU_REGISTERS } from './spec/registers.ts'

const AT = SMMU_REGISTERS.registers

/** SMMU_GERROR and its interrupt: an error is active from its toggling until software toggles SMMU_GERRORN likewise. */
export class GlobalErrors {
  readonly #registers: RegisterFile
  readonly #wiring: SmmuV3Wiring

  constructor(registers: RegisterFile, wiring: SmmuV3Wiring) {
    this.#registers = registers
    this.#wiring = wiring
  }

  /** The active errors. */
  get active(): number {
    return (this.#registers.get(AT.GERROR.offset) ^ this.#registers.get(AT.GERRORN.offset)) >>> 0
  }

  /** An error that is active already changes nothing. */
  raise(error: number): void {
    if ((this.active & error) !== 0) return
    this.#registers.set(AT.GERROR.offset, (this.#registers.get(AT.GERROR.offset) ^ error) >>> 0)
    const enabled = (this.#registers.get(AT.IRQ_CTRL.offset) & IRQ_CTRL.fields.GERROR_IRQEN.loMask) !== 0
    if (enabled) this.#wiring.raiseInterrupt('gerror')
  }
}
