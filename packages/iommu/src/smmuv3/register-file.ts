import { RegisterWords } from '../register-words.ts'
import { identificationOf, type SmmuV3Features } from './options.ts'
import { GBPA, MMIO_SIZE, PAGE_1, SMMU_REGISTERS } from './spec/registers.ts'

const { registers } = SMMU_REGISTERS
/** GBPA after reset: attributes as they come in, no abort. */
const GBPA_RESET = GBPA.fields.SHCFG.setLo(0, 1)

/** The unit's registers. Both pages show the same ones, which the architecture leaves open. */
export class RegisterFile extends RegisterWords {
  readonly #features: SmmuV3Features

  constructor(features: SmmuV3Features) {
    super(MMIO_SIZE, PAGE_1)
    this.#features = features
    for (const register of Object.values(registers)) {
      if (register.name !== 'GBPA' || features.globalBypassAttribute) this.place(register)
    }
    this.reset()
  }

  /** Every register to its reset value. */
  override reset(): void {
    super.reset()
    for (const [name, value] of Object.entries(identificationOf(this.#features))) {
      const register = registers[name as keyof typeof registers]
      if (register !== undefined) this.set(register.offset, value)
    }
    if (this.#features.globalBypassAttribute) this.set(registers.GBPA.offset, GBPA_RESET)
  }
}
