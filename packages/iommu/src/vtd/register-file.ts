import { RegisterLayout, RegisterWords } from '../register-words.ts'
import {
  capabilityOf,
  extendedCapabilityOf,
  FAULT_RECORDING_OFFSET,
  IOTLB_REGISTERS_OFFSET,
  type VtdFeatures,
} from './options.ts'
import { FAULT_RECORDING, IOTLB_REGISTERS, PROTECTED_MEMORY_REGISTERS, VTD_REGISTERS } from './spec/registers.ts'

const layoutFor = (faultRecords: number, protectedMemory: boolean): RegisterLayout =>
  new RegisterLayout(FAULT_RECORDING_OFFSET + faultRecords * FAULT_RECORDING.size, [
    { registers: Object.values(VTD_REGISTERS.registers) },
    { registers: protectedMemory ? Object.values(PROTECTED_MEMORY_REGISTERS.registers) : [] },
    { registers: Object.values(IOTLB_REGISTERS.registers), base: IOTLB_REGISTERS_OFFSET },
    ...Array.from({ length: faultRecords }, (_, index) => ({
      registers: Object.values(FAULT_RECORDING.registers),
      base: FAULT_RECORDING_OFFSET + index * FAULT_RECORDING.size,
    })),
  ])

/** Of most units. */
const ONE_RECORD = layoutFor(1, false)

/** The unit's registers, with as many fault records as it has. */
export class RegisterFile extends RegisterWords {
  readonly #features: VtdFeatures

  constructor(features: VtdFeatures) {
    const { faultRecords, protectedMemory } = features
    super(faultRecords === 1 && !protectedMemory ? ONE_RECORD : layoutFor(faultRecords, protectedMemory))
    this.#features = features
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
