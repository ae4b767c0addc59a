import { nextValue, nextValueHigh, type Register } from '@dmascope/layout'
import { type AmdViFeatures, extendedFeature2Of, extendedFeatureOf } from './options.ts'
import { AMDVI_REGISTERS, MMIO_SIZE } from './spec/registers.ts'

const { ExtendedFeature, ExtendedFeature2 } = AMDVI_REGISTERS.registers
const PPR_REGISTERS: readonly string[] = ['PprLogBase', 'PprHead', 'PprTail']

/** One 32-bit half of a register's place. */
interface Place {
  readonly register: Register
  readonly high: boolean
}

/**
 * The unit's registers as 32-bit words, with the write rule of their declarations and nothing else. `get` and `set`
 * are the hardware's side; `read` and `write` are software's.
 */
export class RegisterFile {
  /** Bytes. */
  readonly size = MMIO_SIZE
  readonly #words = new Uint32Array(MMIO_SIZE / 4)
  readonly #places = new Array<Place | undefined>(MMIO_SIZE / 4)
  readonly #features: AmdViFeatures

  constructor(features: AmdViFeatures) {
    this.#features = features
    for (const register of Object.values(AMDVI_REGISTERS.registers)) {
      if (PPR_REGISTERS.includes(register.name) && !features.announcesPageRequests) continue
      this.#places[register.offset / 4] = { register, high: false }
      this.#places[register.offset / 4 + 1] = { register, high: true }
    }
    this.reset()
  }

  /** Every register to its reset value. */
  reset(): void {
    this.#words.fill(0)
    this.#places.forEach((place, index) => {
      if (place !== undefined) this.#words[index] = place.high ? place.register.resetHi : place.register.resetLo
    })
    this.#setPair(ExtendedFeature.offset, extendedFeatureOf(this.#features))
    this.#setPair(ExtendedFeature2.offset, extendedFeature2Of(this.#features))
  }

  #setPair(offset: number, [hi, lo]: readonly [hi: number, lo: number]): void {
    this.set(offset, lo)
    this.set(offset + 4, hi)
  }

  /** The word at `offset`, a multiple of 4 within the file. */
  get(offset: number): number {
    return this.#words[offset >>> 2]!
  }

  set(offset: number, value: number): void {
    this.#words[offset >>> 2] = value
  }

  /** Address bits 51:12 of a 64-bit base register. */
  base(offset: number): number {
    return (this.get(offset + 4) & 0xf_ffff) * 0x1_0000_0000 + ((this.get(offset) & -4096) >>> 0)
  }

  /** What software reads at `offset`: 0 outside of the registers. */
  read(offset: number, width: 1 | 2 | 4): number {
    const shifted = this.#places[offset >>> 2] === undefined ? 0 : this.#words[offset >>> 2]! >>> ((offset & 3) * 8)
    return width === 4 ? shifted : shifted & (width === 2 ? 0xffff : 0xff)
  }

  /**
   * Applies the write rule to the bytes that software wrote. Answers the offset of the word if it is one of a register,
   * else -1.
   */
  write(offset: number, width: 1 | 2 | 4, value: number): number {
    const index = offset >>> 2
    const place = this.#places[index]
    if (place === undefined) return -1
    const shift = (offset & 3) * 8
    const mask = ((width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff) << shift) >>> 0
    const stored = this.#words[index]!
    // Bytes that were not written keep their bits, and clear none.
    const written = ((value << shift) & mask) >>> 0
    const next = place.high
      ? nextValueHigh(place.register, stored, written)
      : nextValue(place.register, stored, written)
    this.#words[index] = ((stored & ~mask) | (next & mask)) >>> 0
    return index * 4
  }
}
