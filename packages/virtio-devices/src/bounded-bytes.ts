/** Bytes that grow up to a limit. */
export class BoundedBytes {
  #bytes = new Uint8Array(0)
  #length = 0
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#length
  }

  /** Answers how many were taken. */
  append(from: Uint8Array): number {
    const count = Math.min(from.length, this.#limit - this.#length)
    const needed = this.#length + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(Math.max(needed, this.#bytes.length * 2, 256), this.#limit))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    this.#bytes.set(from.subarray(0, count), this.#length)
    this.#length = needed
    return count
  }

  /** A view of the first `count` bytes. */
  head(count: number): Uint8Array {
    return this.#bytes.subarray(0, Math.min(count, this.#length))
  }

  drop(count: number): void {
    this.#bytes.copyWithin(0, count, this.#length)
    this.#length -= count
  }
}
