import { nextValue, nextValueHigh, type Register } from '@dmascope/layout'
import { identificationOf, type SmmuV3Features } from './options.ts'
import { GBPA, MMIO_SIZE, PAGE_1, SMMU_REGISTERS } from './spec/registers.ts'

const { registers } = SMMU_REGISTERS
/** GBPA after reset: attributes as they come in, no abort. */
const GBPA_RESET = GBPA.fields.SHCFG.setLo(0, 1)

/** One 32-bit half of a register's place. */
interface Place {
  readonly register: Register
  readonly high: boolean
}

/**
 * The unit's registers as 32-bit words, with the write rule of their declarations and nothing else. `get` and `set`
 * are the hardware's side; `read` and `write` are software's. Both pages show the same registers, which the
 * architecture leaves open.
 */
export class RegisterFile {
  /** Bytes. */
  readonly size = MMIO_SIZE
  readonly #words = new Uint32Array(PAGE_1 / 4)
  readonly #places = new Array<Place | undefined>(PAGE_1 / 4)
  readonly #features: SmmuV3Features

  constructor(features: SmmuV3Features) {
    this.#features = features
    for (const register of Object.values(registers)) {
      if (register.name === 'GBPA' && !features.globalBypassAttribute) continue
      const index = indexOf(register.offset)
      this.#places[index] = { register, high: false }
      if (register.width === 64) this.#places[index + 1] = { register, high: true }
    }
    this.reset()
  }

  /** Every register to its reset value. */
  reset(): void {
    this.#words.fill(0)
    const identification = identificationOf(this.#features)
    for (const register of Object.values(registers)) {
      this.#words[indexOf(register.offset)] = identification[register.name] ?? 0
    }
    if (this.#features.globalBypassAttribute) this.set(registers.GBPA.offset, GBPA_RESET)
  }

  /** The word at `offset`, a multiple of 4 within the file. */
  get(offset: number): number {
    return this.#words[indexOf(offset)]!
  }

  set(offset: number, value: number): void {
    this.#words[indexOf(offset)] = value
  }

  /** What software reads at `offset`: 0 outside of the registers. */
  read(offset: number, width: 1 | 2 | 4): number {
    const index = indexOf(offset)
    const shifted = this.#places[index] === undefined ? 0 : this.#words[index]! >>> ((offset & 3) * 8)
    return width === 4 ? shifted : shifted & (width === 2 ? 0xffff : 0xff)
  }

  /**
   * Applies the write rule to the bytes that software wrote. Answers the register's offset, plus 4 for the upper word
   * of a 64-bit one, or -1 where there is none.
   */
  write(offset: number, width: 1 | 2 | 4, value: number): number {
    const index = indexOf(offset)
    const place = this.#places[index]
    if (place === undefined) return -1
    const shift = (offset & 3) * 8
    const mask = ((width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff) << shift) >>> 0
    const stored = this.#words[index]!
    const written = ((value << shift) & mask) >>> 0
    const { register, high } = place
    const next = high ? nextValueHigh(register, stored, written) : nextValue(register, stored, written)
    this.#words[index] = ((stored & ~mask) | (next & mask)) >>> 0
    return high ? register.offset + 4 : register.offset
  }
}

const indexOf = (offset: number): number => (offset & (PAGE_1 - 1)) >>> 2
