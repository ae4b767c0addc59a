import type { RegisterFile } from './register-file.ts'
import { PMEN, PROTECTED_MEMORY_GRANULE_LOG2, VTD_REGISTERS } from './spec/registers.ts'

const { PMEN: ENABLE, PLMBASE, PLMLIMIT, PHMBASE, PHMLIMIT } = VTD_REGISTERS.registers

/** A 2 MiB granule's number, by the halves of an address in it. */
const granuleOf = (hi: number, lo: number): number =>
  (hi >>> 0) * 2 ** (32 - PROTECTED_MEMORY_GRANULE_LOG2) + (lo >>> PROTECTED_MEMORY_GRANULE_LOG2)

/**
 * The protected memory regions, which software that runs before the kernel closes to devices: one below 4 GiB, one
 * anywhere. A limit below its base is no region.
 */
export class ProtectedMemory {
  /** PMEN.PRS. */
  enabled = false
  readonly #registers: RegisterFile
  #lowFirst = 1
  #lowLast = 0
  #highFirst = 1
  #highLast = 0

  constructor(registers: RegisterFile) {
    this.#registers = registers
  }

  /** Takes the regions from the registers, and tells in PMEN that they stand. */
  refresh(): void {
    const registers = this.#registers
    const enable = registers.get(ENABLE.offset)
    this.enabled = PMEN.fields.EPM.get(enable) === 1
    registers.set(ENABLE.offset, PMEN.fields.PRS.setLo(enable, this.enabled ? 1 : 0))
    this.#lowFirst = granuleOf(0, registers.get(PLMBASE.offset))
    this.#lowLast = granuleOf(0, registers.get(PLMLIMIT.offset))
    this.#highFirst = granuleOf(registers.get(PHMBASE.offset + 4), registers.get(PHMBASE.offset))
    this.#highLast = granuleOf(registers.get(PHMLIMIT.offset + 4), registers.get(PHMLIMIT.offset))
  }

  /** Whether devices are kept from this address. The answer is the same for all of its 2 MiB. */
  covers(hi: number, lo: number): boolean {
    const granule = granuleOf(hi, lo)
    return (
      (granule >= this.#lowFirst && granule <= this.#lowLast) ||
      (granule >= this.#highFirst && granule <= this.#highLast)
    )
  }
}
