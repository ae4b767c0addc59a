/** All zeroes, for the next writer: of one that has finished. */
let spare: Uint8Array | null = null
let spareView: DataView = new DataView(new ArrayBuffer(0))
/** More than this is not kept. */
const MOST_SPARE = 0x1_0000

/** The bytes of a table while it is built: pieces are put one behind the other, and copied out once at most. */
export class TableWriter {
  /** Bytes put so far. */
  length = 0
  /** Of `bytes`. Both are others once more was put than they hold: take them anew after `reserve`. */
  view: DataView
  bytes: Uint8Array

  /** @param capacity - bytes that are expected, at least 1 */
  constructor(capacity = 512) {
    if (spare !== null && spare.length >= capacity) {
      this.bytes = spare
      this.view = spareView
      spare = null
    } else {
      this.bytes = new Uint8Array(capacity)
      this.view = new DataView(this.bytes.buffer)
    }
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
    const { bytes, length } = this
    if (length === bytes.length) return bytes
    const table = bytes.slice(0, length)
    if (bytes.length <= MOST_SPARE) {
      bytes.fill(0, 0, length)
      spare = bytes
      spareView = this.view
    }
    this.bytes = table
    return table
  }

  #grow(): void {
    const larger = new Uint8Array(Math.max(this.length, 2 * this.bytes.length))
    larger.set(this.bytes)
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }
}
