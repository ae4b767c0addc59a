import { nextValue, nextValueHigh, type Register, type Registers, readValue, readValueHigh } from '@dmascope/layout'
import {
  capabilityOf,
  extendedCapabilityOf,
  FAULT_RECORDING_OFFSET,
  IOTLB_REGISTERS_OFFSET,
  type VtdFeatures,
} from './options.ts'
import { FAULT_RECORDING, IOTLB_REGISTERS, VTD_REGISTERS } from './spec/registers.ts'

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
  readonly size: number
  readonly #words: Uint32Array
  readonly #places: (Place | undefined)[]
  readonly #features: VtdFeatures

  constructor(features: VtdFeatures) {
    this.size = FAULT_RECORDING_OFFSET + features.faultRecords * FAULT_RECORDING.size
    this.#words = new Uint32Array(this.size / 4)
    this.#places = new Array<Place | undefined>(this.size / 4)
    this.#features = features
    this.#place(VTD_REGISTERS, 0)
    this.#place(IOTLB_REGISTERS, IOTLB_REGISTERS_OFFSET)
    for (let index = 0; index < features.faultRecords; index++) {
      this.#place(FAULT_RECORDING, FAULT_RECORDING_OFFSET + index * FAULT_RECORDING.size)
    }
    this.reset()
  }

  #place(file: Registers, base: number): void {
    for (const register of Object.values(file.registers)) {
      const first = (base + register.offset) / 4
      this.#places[first] = { register, high: false }
      if (register.width === 64) this.#places[first + 1] = { register, high: true }
    }
  }

  /** Every register to its reset value. */
  reset(): void {
    this.#words.fill(0)
    this.#places.forEach((place, index) => {
      if (place !== undefined) this.#words[index] = place.high ? place.register.resetHi : place.register.resetLo
    })
    const { CAP, ECAP } = VTD_REGISTERS.registers
    this.#setPair(CAP.offset, capabilityOf(this.#features))
    this.#setPair(ECAP.offset, extendedCapabilityOf(this.#features))
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

  /** What software reads at `offset`: 0 outside of the registers. */
  read(offset: number, width: 1 | 2 | 4): number {
    const place = this.#places[offset >>> 2]
    if (place === undefined) return 0
    const stored = this.#words[offset >>> 2]!
    const word = place.high ? readValueHigh(place.register, stored) : readValue(place.register, stored)
    const shifted = word >>> ((offset & 3) * 8)
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
    const written = (((value << shift) & mask) >>> 0) >>> 0
    const next = place.high
      ? nextValueHigh(place.register, stored, written)
      : nextValue(place.register, stored, written)
    this.#words[index] = ((stored & ~mask) | (next & mask)) >>> 0
    return index * 4
  }
}
