/** How many mappings all domains of a device may still add: what bounds the memory that a driver can make it use. */
export interface MappingBudget {
  left: number
}

/** A 64-bit value as an unsigned pair. */
export interface Pair {
  readonly hi: number
  readonly lo: number
}

/** What `add` made of a mapping. */
export type Added = 'added' | 'overlaps' | 'no room'

/** Words of a mapping. Both ends belong to it. */
const STRIDE = 8
const START_LO = 0
const START_HI = 1
const END_LO = 2
const END_HI = 3
const PHYS_LO = 4
const PHYS_HI = 5
const FLAGS = 6
const FIRST_CAPACITY = 64

/**
 * The mappings of one domain, as MAP requests made them: disjoint ranges of any size in 64 bits. They are found by
 * bisection of an index that is sorted by address; a new mapping moves that index, not the mappings.
 */
export class MappingTable {
  readonly #budget: MappingBudget
  #words = new Uint32Array(FIRST_CAPACITY * STRIDE)
  /** Places of mappings in `#words`, by ascending address; then those that are free. */
  #order = Uint32Array.from({ length: FIRST_CAPACITY }, (_, index) => index * STRIDE)
  /** Ends of mappings as (hi, lo) pairs, in the order of `#order`: all that bisection reads. */
  #ends = new Uint32Array(FIRST_CAPACITY * 2)
  #count = 0
  /** Where the last `find` ended: DMA mostly stays in one mapping. */
  #last = 0

  constructor(budget: MappingBudget) {
    this.#budget = budget
  }

  get count(): number {
    return this.#count
  }

  /** The place of the mapping that an address lies in, for the accessors below; -1 where there is none. */
  find(hi: number, lo: number): number {
    const words = this.#words
    const last = this.#last
    // What is no longer a mapping has its start above its end.
    if (
      !above(words[last + START_HI]!, words[last + START_LO]!, hi, lo) &&
      !above(hi, lo, words[last + END_HI]!, words[last + END_LO]!)
    ) {
      if (this.#count > 0) return last
    }
    const index = this.#firstEndingAt(hi, lo)
    if (index === this.#count) return -1
    const place = this.#order[index]!
    if (above(words[place + START_HI]!, words[place + START_LO]!, hi, lo)) return -1
    this.#last = place
    return place
  }

  startHi(place: number): number {
    return this.#words[place + START_HI]!
  }
  startLo(place: number): number {
    return this.#words[place + START_LO]!
  }
  endHi(place: number): number {
    return this.#words[place + END_HI]!
  }
  endLo(place: number): number {
    return this.#words[place + END_LO]!
  }
  physHi(place: number): number {
    return this.#words[place + PHYS_HI]!
  }
  physLo(place: number): number {
    return this.#words[place + PHYS_LO]!
  }
  flags(place: number): number {
    return this.#words[place + FLAGS]!
  }

  /** Adds [start, end], which is not empty. */
  add(start: Pair, end: Pair, phys: Pair, flags: number): Added {
    const index = this.#firstEndingAt(start.hi, start.lo)
    if (index < this.#count) {
      const next = this.#order[index]!
      if (!above(this.#words[next + START_HI]!, this.#words[next + START_LO]!, end.hi, end.lo)) return 'overlaps'
    }
    if (this.#budget.left === 0) return 'no room'
    this.#budget.left--
    if (this.#count === this.#order.length) this.#grow()
    const order = this.#order
    const place = order[this.#count]!
    order.copyWithin(index + 1, index, this.#count)
    order[index] = place
    const ends = this.#ends
    ends.copyWithin(2 * index + 2, 2 * index, 2 * this.#count)
    ends[2 * index] = end.hi
    ends[2 * index + 1] = end.lo
    this.#count++
    const words = this.#words
    words[place + START_LO] = start.lo
    words[place + START_HI] = start.hi
    words[place + END_LO] = end.lo
    words[place + END_HI] = end.hi
    words[place + PHYS_LO] = phys.lo
    words[place + PHYS_HI] = phys.hi
    words[place + FLAGS] = flags
    return 'added'
  }

  /**
   * Removes all mappings within [start, end].
   *
   * @returns how many; -1 where one reaches out of the range, and then none is removed
   */
  remove(start: Pair, end: Pair): number {
    const first = this.#firstEndingAt(start.hi, start.lo)
    const words = this.#words
    const order = this.#order
    let after = first
    for (; after < this.#count; after++) {
      const place = order[after]!
      if (above(words[place + START_HI]!, words[place + START_LO]!, end.hi, end.lo)) break
      if (
        above(start.hi, start.lo, words[place + START_HI]!, words[place + START_LO]!) ||
        above(words[place + END_HI]!, words[place + END_LO]!, end.hi, end.lo)
      ) {
        return -1
      }
    }
    const removed = after - first
    for (let index = first; index < after; index++) {
      const place = order[index]!
      // They go behind those that are left, one by one, for `add` to take again.
      words[place + START_LO] = 0xffff_ffff
      words[place + START_HI] = 0xffff_ffff
      words[place + END_LO] = 0
      words[place + END_HI] = 0
    }
    if (removed > 0) {
      const freed = order.slice(first, after)
      order.copyWithin(first, after, this.#count)
      this.#ends.copyWithin(2 * first, 2 * after, 2 * this.#count)
      this.#count -= removed
      order.set(freed, this.#count)
      this.#budget.left += removed
    }
    return removed
  }

  /** Removes all, and gives the room back. */
  clear(): void {
    this.#budget.left += this.#count
    this.#count = 0
    this.#words = new Uint32Array(0)
    this.#order = new Uint32Array(0)
    this.#ends = new Uint32Array(0)
  }

  /** Index of the first mapping that ends at this address or above it. */
  #firstEndingAt(hi: number, lo: number): number {
    const ends = this.#ends
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (above(hi, lo, ends[2 * middle]!, ends[2 * middle + 1]!)) low = middle + 1
      else high = middle
    }
    return low
  }

  #grow(): void {
    const before = this.#order.length
    const order = new Uint32Array(Math.max(2 * before, FIRST_CAPACITY))
    order.set(this.#order)
    for (let index = before; index < order.length; index++) order[index] = index * STRIDE
    const words = new Uint32Array(order.length * STRIDE)
    words.set(this.#words)
    const ends = new Uint32Array(order.length * 2)
    ends.set(this.#ends)
    this.#order = order
    this.#words = words
    this.#ends = ends
  }
}

/** a > b, of unsigned pairs. */
export function above(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  return aHi === bHi ? aLo > bLo : aHi > bHi
}
