import { RegisterLayout, RegisterWords } from '../register-words.ts'
import { SUN4U_IOMMU_REGISTERS } from './spec/registers.ts'

const LAYOUT = new RegisterLayout(SUN4U_IOMMU_REGISTERS.size, [
  { registers: Object.values(SUN4U_IOMMU_REGISTERS.registers) },
])

/** The unit’s registers, lower half of each first: the unit itself turns the halves round for software. */
export class RegisterFile extends RegisterWords {
  constructor() {
    super(LAYOUT)
    this.reset()
  }
}
