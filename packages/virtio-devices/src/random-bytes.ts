/**
 * A small generator of pseudo-random bytes (xoshiro128**, by Blackman and Vigna, seeded by splitmix32): the same seed
 * gives the same bytes, in whatever portions they are taken. Not for secrets.
 */
export class RandomBytes {
  readonly #state = new Uint32Array(4)
  #word = 0
  #left = 0

  /** @param state - four words to start from in place of those that the seed gives */
  constructor(seed: number, state?: readonly [number, number, number, number]) {
    this.restart(seed)
    if (state !== undefined) this.#state.set(state)
  }

  restart(seed: number): void {
    let mix = seed >>> 0
    for (let index = 0; index < 4; index++) {
      mix = (mix + 0x9e37_79b9) >>> 0
      let z = mix ^ (mix >>> 16)
      z = Math.imul(z, 0x21f0_aaad)
      z ^= z >>> 15
      z = Math.imul(z, 0x735a_2d97)
      this.#state[index] = (z ^ (z >>> 15)) >>> 0
    }
    this.#left = 0
  }

  fill(into: Uint8Array): void {
    for (let index = 0; index < into.length; index++) {
      if (this.#left === 0) {
        this.#word = this.#next()
        this.#left = 4
      }
      into[index] = this.#word & 0xff
      this.#word >>>= 8
      this.#left--
    }
  }

  #next(): number {
    const s = this.#state
    const s0 = s[0]!
    const s1 = s[1]!
    const s2 = s[2]! ^ s0
    const s3 = s[3]! ^ s1
    const product = Math.imul(s1, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9)
    s[1] = s1 ^ s2
    s[0] = s0 ^ s3
    s[2] = s2 ^ (s1 << 9)
    s[3] = (s3 << 11) | (s3 >>> 21)
    return result >>> 0
  }
}
