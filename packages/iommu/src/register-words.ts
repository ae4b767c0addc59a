import { nextValue, nextValueHigh, type Register, type Registers, readValue, readValueHigh } from '@dmascope/layout'

/** One 32-bit half of a register's place. */
interface Place {
  readonly register: Register
  readonly high: boolean
  /** Of the half, as `write` answers it. */
  readonly offset: number
}

/**
 * A unit's registers as 32-bit words, with the write rule of their declarations and nothing else. `get` and `set` are
 * the hardware's side; `read` and `write` are software's.
 */
export abstract class RegisterWords {
  /** Bytes. */
  readonly size: number
  readonly #words: Uint32Array
  readonly #places: (Place | undefined)[]
  readonly #mask: number

  /** @param repeat - a power of two: the registers show again every so many bytes; 0 where they do not */
  constructor(size: number, repeat = 0) {
    this.size = size
    this.#mask = repeat - 1
    this.#words = new Uint32Array((repeat || size) / 4)
    this.#places = new Array<Place | undefined>((repeat || size) / 4)
  }

  #indexOf(offset: number): number {
    return (offset & this.#mask) >>> 2
  }

  /** Makes a register stand at its offset from `base`. */
  protected place(register: Register, base = 0): void {
    const offset = base + register.offset
    const index = this.#indexOf(offset)
    this.#places[index] = { register, high: false, offset }
    if (register.width === 64) this.#places[index + 1] = { register, high: true, offset: offset + 4 }
  }

  protected placeAll(file: Registers, base = 0): void {
    for (const register of Object.values(file.registers)) this.place(register, base)
  }

  /** Every register to its declared reset value. */
  reset(): void {
    this.#words.fill(0)
    this.#places.forEach((place, index) => {
      if (place !== undefined) this.#words[index] = place.high ? place.register.resetHi : place.register.resetLo
    })
  }

  protected setPair(offset: number, [hi, lo]: readonly [hi: number, lo: number]): void {
    this.set(offset, lo)
    this.set(offset + 4, hi)
  }

  /** The word at `offset`, a multiple of 4 within the file. */
  get(offset: number): number {
    return this.#words[this.#indexOf(offset)]!
  }

  set(offset: number, value: number): void {
    this.#words[this.#indexOf(offset)] = value
  }

  /** What software reads at `offset`: 0 outside of the registers. */
  read(offset: number, width: 1 | 2 | 4): number {
    const index = this.#indexOf(offset)
    const place = this.#places[index]
    if (place === undefined) return 0
    const stored = this.#words[index]!
    const word = place.high ? readValueHigh(place.register, stored) : readValue(place.register, stored)
    const shifted = word >>> ((offset & 3) * 8)
    return width === 4 ? shifted : shifted & (width === 2 ? 0xffff : 0xff)
  }

  /**
   * Applies the write rule to the bytes that software wrote. Answers the register's offset, plus 4 for the upper word of
   * a 64-bit one, or -1 where there is none.
   */
  write(offset: number, width: 1 | 2 | 4, value: number): number {
    const index = this.#indexOf(offset)
    const place = this.#places[index]
    if (place === undefined) return -1
    const shift = (offset & 3) * 8
    const mask = ((width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff) << shift) >>> 0
    const stored = this.#words[index]!
    // Bytes that were not written keep their bits, and clear none.
    const written = ((value << shift) & mask) >>> 0
    const { register, high } = place
    const next = high ? nextValueHigh(register, stored, written) : nextValue(register, stored, written)
    this.#words[index] = ((stored & ~mask) | (next & mask)) >>> 0
    return place.offset
  }
}
