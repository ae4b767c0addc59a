/** Bytes that come one after the other. */
export class ByteList {
  #bytes = new Uint8Array(4096)
  length = 0

  push(byte: number): void {
    if (this.length === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes[this.length++] = byte
  }

  /** A copy of what is there. */
  taken(): Uint8Array {
    return this.#bytes.slice(0, this.length)
  }
}
