import { RegisterWords } from '../register-words.ts'
import {
  capabilityOf,
  extendedCapabilityOf,
  FAULT_RECORDING_OFFSET,
  IOTLB_REGISTERS_OFFSET,
  type VtdFeatures,
} from './options.ts'
import { FAULT_RECORDING, IOTLB_REGISTERS, PROTECTED_MEMORY_REGISTERS, VTD_REGISTERS } from './spec/registers.ts'

/** The unit's registers, with as many fault records as it has. */
export class RegisterFile extends RegisterWords {
  readonly #features: VtdFeatures

  constructor(features: VtdFeatures) {
    super(FAULT_RECORDING_OFFSET + features.faultRecords * FAULT_RECORDING.size)
    this.#features = features
    this.placeAll(VTD_REGISTERS)
    if (features.protectedMemory) this.placeAll(PROTECTED_MEMORY_REGISTERS)
    this.placeAll(IOTLB_REGISTERS, IOTLB_REGISTERS_OFFSET)
    for (let index = 0; index < features.faultRecords; index++) {
      this.placeAll(FAULT_RECORDING, FAULT_RECORDING_OFFSET + index * FAULT_RECORDING.size)
    }
    this.reset()
  }

  /** Every register to its reset value. */
  override reset(): void {
    super.reset()
    const { CAP, ECAP } = VTD_REGISTERS.registers
    this.setPair(CAP.offset, capabilityOf(this.#features))
    this.setPair(ECAP.offset, extendedCapabilityOf(this.#features))
  }
}
