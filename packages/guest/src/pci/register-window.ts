import type { CpuBus } from '@dmascope/memory/contracts'
import type { Bar } from './bars.ts'

/** A stretch of a BAR: registers by their offset in it, whether they are memory-mapped or ports. */
export class RegisterWindow {
  /** Guest-physical address, or port, of offset 0. */
  readonly base: number
  readonly kind: Bar['kind']
  /** Bytes. */
  readonly length: number
  readonly #bus: CpuBus

  /** @throws RangeError where it would reach beyond the BAR */
  constructor(bus: CpuBus, bar: Bar, offset = 0, length = bar.size - offset) {
    if (!(offset >= 0 && length >= 0 && offset + length <= bar.size)) {
      throw new RangeError(`[${offset}, ${offset + length}) reaches beyond BAR ${bar.index} of ${bar.size} bytes`)
    }
    this.#bus = bus
    this.kind = bar.kind
    this.base = bar.base + offset
    this.length = length
  }

  /** All ones beyond the end, as where nothing answers. */
  read(offset: number, width: 1 | 2 | 4): number {
    if (offset + width > this.length) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    const at = this.base + offset
    const bus = this.#bus
    if (this.kind === 'io') {
      const { ports } = bus
      if (ports === undefined) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
      return width === 4 ? ports.in32(at) : width === 2 ? ports.in16(at) : ports.in8(at)
    }
    return width === 4 ? bus.read32(at) : width === 2 ? bus.read16(at) : bus.read8(at)
  }

  /** Dropped beyond the end. */
  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset + width > this.length) return
    const at = this.base + offset
    const bus = this.#bus
    if (this.kind === 'io') {
      const { ports } = bus
      if (width === 4) ports?.out32(at, value)
      else if (width === 2) ports?.out16(at, value)
      else ports?.out8(at, value)
    } else if (width === 4) bus.write32(at, value)
    else if (width === 2) bus.write16(at, value)
    else bus.write8(at, value)
  }
}
