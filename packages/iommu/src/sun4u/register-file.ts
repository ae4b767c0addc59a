import { RegisterWords } from '../register-words.ts'
import { SUN4U_IOMMU_REGISTERS } from './spec/registers.ts'

/** The unit’s registers, lower half of each first: the unit itself turns the halves round for software. */
export class RegisterFile extends RegisterWords {
  constructor() {
    super(SUN4U_IOMMU_REGISTERS.size)
    this.placeAll(SUN4U_IOMMU_REGISTERS)
    this.reset()
  }
}
