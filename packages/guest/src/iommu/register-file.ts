import type { Register } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'

/** A 64-bit register's value. */
export interface Pair {
  readonly hi: number
  readonly lo: number
}

/** Memory-mapped registers, reached by their declarations. 64-bit registers are accessed in halves, the lower first. */
export class RegisterFile {
  readonly base: number
  readonly #bus: CpuBus

  constructor(bus: CpuBus, base: number) {
    this.#bus = bus
    this.base = base
  }

  read32(register: Register, from = 0): number {
    return this.#bus.read32(this.base + from + register.offset)
  }

  write32(register: Register, value: number, from = 0): void {
    this.#bus.write32(this.base + from + register.offset, value >>> 0)
  }

  /** @param from - byte offset of the register block within the file, for blocks whose place is told at run time */
  read64(register: Register, from = 0): Pair {
    const address = this.base + from + register.offset
    const lo = this.#bus.read32(address)
    return { lo, hi: this.#bus.read32(address + 4) }
  }

  write64(register: Register, hi: number, lo: number, from = 0): void {
    const address = this.base + from + register.offset
    this.#bus.write32(address, lo >>> 0)
    this.#bus.write32(address + 4, hi >>> 0)
  }

  /** Reads until the bits under `mask` equal `wanted`; false where they never do. */
  waitFor(register: Register, mask: number, wanted: number): boolean {
    for (let tries = 0; tries < WAIT_READS; tries++) {
      if ((this.read32(register) & mask) >>> 0 === wanted >>> 0) return true
    }
    return false
  }
}

/** A kernel waits seconds for hardware; a machine that answers in its own good time does so within these reads. */
const WAIT_READS = 1000
