import { nextValue, nextValueHigh, type Register, readValue, readValueHigh } from '@dmascope/layout'

/** One 32-bit half of a register's place. */
interface Place {
  readonly register: Register
  readonly high: boolean
  /** Of the half, as `write` answers it. */
  readonly offset: number
  /** Of the word that it is. */
  readonly index: number
}

/** Registers, and where the first of them starts. */
export interface PlacedRegisters {
  readonly registers: Iterable<Register>
  readonly base?: number
}

/** Which registers stand where: the same for all units of a kind, and so made once. */
export class RegisterLayout {
  /** Bytes. */
  readonly size: number
  /** Words, as the registers show again behind these. */
  readonly words: number
  readonly mask: number
  /** By word; undefined where there is no register. */
  readonly places: readonly (Place | undefined)[]
  readonly placed: readonly Place[]

  /** @param repeat - a power of two: the registers show again every so many bytes; 0 where they do not */
  constructor(size: number, files: readonly PlacedRegisters[], repeat = 0) {
    this.size = size
    this.words = (repeat || size) / 4
    this.mask = repeat - 1
    const places = new Array<Place | undefined>(this.words).fill(undefined)
    for (const { registers, base = 0 } of files) {
      for (const register of registers) {
        const offset = base + register.offset
        const index = (offset & this.mask) >>> 2
        places[index] = { register, high: false, offset, index }
        if (register.width === 64) places[index + 1] = { register, high: true, offset: offset + 4, index: index + 1 }
      }
    }
    this.places = places
    this.placed = places.filter((place) => place !== undefined)
  }
}

/**
 * A unit's registers as 32-bit words, with the write rule of their declarations and nothing else. `get` and `set` are
 * the hardware's side; `read` and `write` are software's.
 */
export abstract class RegisterWords {
  readonly #layout: RegisterLayout
  readonly #words: Uint32Array
  readonly #places: readonly (Place | undefined)[]
  readonly #mask: number

  constructor(layout: RegisterLayout) {
    this.#layout = layout
    this.#mask = layout.mask
    this.#words = new Uint32Array(layout.words)
    this.#places = layout.places
  }

  /** Bytes. */
  get size(): number {
    return this.#layout.size
  }

  #indexOf(offset: number): number {
    return (offset & this.#mask) >>> 2
  }

  /** Every register to its declared reset value. */
  reset(): void {
    this.#words.fill(0)
    for (const { register, high, index } of this.#layout.placed) {
      this.#words[index] = high ? register.resetHi : register.resetLo
    }
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
