import { RegisterLayout, RegisterWords } from '../register-words.ts'
import { identificationOf, type SmmuV3Features } from './options.ts'
import { GBPA, MMIO_SIZE, PAGE_1, SMMU_REGISTERS } from './spec/registers.ts'

const { registers } = SMMU_REGISTERS
/** GBPA after reset: attributes as they come in, no abort. */
const GBPA_RESET = GBPA.fields.SHCFG.setLo(0, 1)

const ALL = Object.values(registers)
const WITH_GBPA = new RegisterLayout(MMIO_SIZE, [{ registers: ALL }], PAGE_1)
const WITHOUT = new RegisterLayout(MMIO_SIZE, [{ registers: ALL.filter(({ name }) => name !== 'GBPA') }], PAGE_1)

/** The unit's registers. Both pages show the same ones, which the architecture leaves open. */
export class RegisterFile extends RegisterWords {
  readonly #features: SmmuV3Features

  constructor(features: SmmuV3Features) {
    super(features.globalBypassAttribute ? WITH_GBPA : WITHOUT)
    this.#features = features
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
