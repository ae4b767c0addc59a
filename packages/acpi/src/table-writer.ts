/** The bytes of a table while it is built: pieces are put one behind the other, and copied out once at most. */
export class TableWriter {
  /** Bytes put so far. */
  length = 0
  /** Of `bytes`. Both are others once more was put than they hold: take them anew after `reserve`. */
  view: DataView
  bytes: Uint8Array

  /** @param capacity - bytes that are expected, at least 1 */
  constructor(capacity = 512) {
    this.bytes = new Uint8Array(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Puts `size` zeros; answers where they start. */
  reserve(size: number): number {
    const at = this.length
    this.length = at + size
    if (this.length > this.bytes.length) this.#grow()
    return at
  }

  put(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.bytes.set(bytes, at)
  }

  /** What was put, in an array of just that size. Nothing may be put after that. */
  finish(): Uint8Array {
    return this.length === this.bytes.length ? this.bytes : this.bytes.slice(0, this.length)
  }

  #grow(): void {
    const larger = new Uint8Array(Math.max(this.length, 2 * this.bytes.length))
    larger.set(this.bytes)
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }
}
