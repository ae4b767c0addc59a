import type { SystemRegisterBus } from '@dmascope/memory'
import type { CpuInterruptSource } from '../cpu-bus.ts'
import { CAUSE, CP0, SOFTWARE_INPUTS, STATUS } from './spec/coprocessor.ts'

const { IE, EXL, ERL, IM, BEV } = STATUS.fields
/** As a processor comes out of reset: in its boot ROM's exception vectors, and deaf. */
const AT_RESET = (BEV.loMask | ERL.loMask) >>> 0

/** What a processor says of itself. */
export interface ProcessorIdentity {
  /** PRId. */
  readonly id: number
  /** Where its control registers are; 0 where it has none that are modelled. */
  readonly controlBase: number
}

/**
 * Coprocessor 0 of a BMIPS core, as far as interrupts and the core's identity go. Eight inputs, of which software drives
 * two; an interrupt has no vector: software reads Cause.
 */
export class Coprocessor implements SystemRegisterBus, CpuInterruptSource {
  readonly #identity: ProcessorIdentity
  #status = AT_RESET
  #inputs = 0

  constructor(identity: ProcessorIdentity) {
    this.#identity = identity
  }

  /** The chip drives an input. */
  setInput(input: number, asserted: boolean): void {
    const bit = 1 << input
    this.#inputs = asserted ? this.#inputs | bit : this.#inputs & ~bit
  }

  get pending(): boolean {
    const status = this.#status
    if (IE.get(status) === 0 || EXL.get(status) !== 0 || ERL.get(status) !== 0) return false
    return (IM.get(status) & this.#inputs) !== 0
  }

  take(): number {
    return this.pending ? 0 : -1
  }

  read(register: number): number {
    switch (register) {
      case CP0.Status:
        return this.#status
      case CP0.Cause:
        return CAUSE.fields.IP.setLo(0, this.#inputs)
      case CP0.PRId:
        return this.#identity.id
      case CP0.BRCM_CBR:
        return this.#identity.controlBase
      default:
        return 0
    }
  }

  write(register: number, value: number): void {
    if (register === CP0.Status) this.#status = value >>> 0
    else if (register === CP0.Cause) {
      this.#inputs = (this.#inputs & ~SOFTWARE_INPUTS) | (CAUSE.fields.IP.get(value) & SOFTWARE_INPUTS)
    }
  }
}
