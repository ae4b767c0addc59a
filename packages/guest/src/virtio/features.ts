import { hexPair } from '@dmascope/layout'

/** 64 feature bits, as two unsigned words. Immutable. */
export class FeatureSet {
  readonly lo: number
  readonly hi: number

  constructor(lo: number, hi: number) {
    this.lo = lo >>> 0
    this.hi = hi >>> 0
  }

  /** @throws RangeError where a number is outside [0, 63] */
  static of(bits: readonly number[]): FeatureSet {
    let lo = 0
    let hi = 0
    for (const bit of bits) {
      if (!(Number.isInteger(bit) && bit >= 0 && bit <= 63))
        throw new RangeError(`feature bits are 0 to 63, got ${bit}`)
      if (bit < 32) lo |= 1 << bit
      else hi |= 1 << (bit - 32)
    }
    return new FeatureSet(lo, hi)
  }

  has(bit: number): boolean {
    return bit < 32 ? (this.lo & (1 << bit)) !== 0 : (this.hi & (1 << (bit - 32))) !== 0
  }

  and(other: FeatureSet): FeatureSet {
    return new FeatureSet(this.lo & other.lo, this.hi & other.hi)
  }

  or(other: FeatureSet): FeatureSet {
    return new FeatureSet(this.lo | other.lo, this.hi | other.hi)
  }

  without(bit: number): FeatureSet {
    const mask = FeatureSet.of([bit])
    return new FeatureSet(this.lo & ~mask.lo, this.hi & ~mask.hi)
  }

  /** Numbers of the bits that are set, ascending. */
  get numbers(): number[] {
    return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => this.has(bit))
  }

  /** Sixteen hex digits with prefix, bit 63 first. */
  toString(): string {
    return `0x${hexPair(this.hi, this.lo)}`
  }
}
