import { RegisterLayout, RegisterWords } from '../register-words.ts'
import { type AmdViFeatures, extendedFeature2Of, extendedFeatureOf } from './options.ts'
import { AMDVI_REGISTERS, MMIO_SIZE } from './spec/registers.ts'

const { ExtendedFeature, ExtendedFeature2 } = AMDVI_REGISTERS.registers
const PPR_REGISTERS: readonly string[] = ['PprLogBase', 'PprHead', 'PprTail']

const ALL = Object.values(AMDVI_REGISTERS.registers)
const WITH_PAGE_REQUESTS = new RegisterLayout(MMIO_SIZE, [{ registers: ALL }])
const WITHOUT = new RegisterLayout(MMIO_SIZE, [{ registers: ALL.filter(({ name }) => !PPR_REGISTERS.includes(name)) }])

/** The unit's registers; those of page requests where it announces these. */
export class RegisterFile extends RegisterWords {
  readonly #features: AmdViFeatures

  constructor(features: AmdViFeatures) {
    super(features.announcesPageRequests ? WITH_PAGE_REQUESTS : WITHOUT)
    this.#features = features
    this.reset()
  }

  /** Every register to its reset value. */
  override reset(): void {
    super.reset()
    this.setPair(ExtendedFeature.offset, extendedFeatureOf(this.#features))
    this.setPair(ExtendedFeature2.offset, extendedFeature2Of(this.#features))
  }

  /** Address bits 51:12 of a 64-bit base register. */
  base(offset: number): number {
    return (this.get(offset + 4) & 0xf_ffff) * 0x1_0000_0000 + ((this.get(offset) & -4096) >>> 0)
  }
}
