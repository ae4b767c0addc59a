import type { CpuBus } from '@dmascope/memory/contracts'
import { PCI_CONFIG_BASE } from '../spec/sun4u.ts'

/** Configuration space of a sun4u: memory, little-endian, 256 bytes a function. */
export class SabreConfig {
  readonly #bus: CpuBus

  constructor(bus: CpuBus) {
    this.#bus = bus
  }

  /** @param id - bus, device and function in 16 bits */
  read(id: number, offset: number, width: 1 | 2 | 4): number {
    const address = PCI_CONFIG_BASE + (id << 8) + offset
    if (width === 4) return this.#bus.read32(address)
    return width === 2 ? this.#bus.read16(address) : this.#bus.read8(address)
  }

  write(id: number, offset: number, width: 1 | 2 | 4, value: number): void {
    const address = PCI_CONFIG_BASE + (id << 8) + offset
    if (width === 4) this.#bus.write32(address, value >>> 0)
    else if (width === 2) this.#bus.write16(address, value)
    else this.#bus.write8(address, value)
  }
}
