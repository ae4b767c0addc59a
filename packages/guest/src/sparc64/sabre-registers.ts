import type { CpuBus } from '@dmascope/memory/contracts'

const swap = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

/**
 * The registers of Sabre, eight bytes each, big-endian.
 *
 * DEVIATION: a store of eight bytes is two of four here, the upper half first.
 */
export class SabreRegisters {
  readonly base: number
  readonly #bus: CpuBus

  constructor(bus: CpuBus, base: number) {
    this.#bus = bus
    this.base = base
  }

  readHigh(offset: number): number {
    return swap(this.#bus.read32(this.base + offset))
  }

  readLow(offset: number): number {
    return swap(this.#bus.read32(this.base + offset + 4))
  }

  write(offset: number, high: number, low: number): void {
    this.#bus.write32(this.base + offset, swap(high >>> 0))
    this.#bus.write32(this.base + offset + 4, swap(low >>> 0))
  }
}
