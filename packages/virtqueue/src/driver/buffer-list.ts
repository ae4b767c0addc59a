/** Words that a buffer takes in `BufferList.words`: low and high half of its bus address, and its length in bytes. */
export const BUFFER_WORDS = 3

/**
 * The buffers of one request, as bus addresses: those that the device reads first, then those that it writes. Made
 * once and filled again for every request.
 */
export class BufferList {
  readonly capacity: number
  /** `BUFFER_WORDS` for each buffer, in one array so that a request is in few cache lines. */
  readonly words: Uint32Array
  count = 0
  /** The first so many are device-readable, the rest device-writable. */
  readableCount = 0

  constructor(capacity: number) {
    this.capacity = capacity
    this.words = new Uint32Array(capacity * BUFFER_WORDS)
  }

  clear(): this {
    this.count = 0
    this.readableCount = 0
    return this
  }

  /** Appends a buffer for the device to read. @throws RangeError where it is full, or a writable one came before */
  readable(hi: number, lo: number, length: number): this {
    if (this.readableCount !== this.count) {
      throw new RangeError('a device-readable buffer cannot follow a device-writable one (virtio 1.3 §2.7.4)')
    }
    this.#push(hi, lo, length)
    this.readableCount = this.count
    return this
  }

  /** Appends a buffer for the device to write. @throws RangeError where it is full */
  writable(hi: number, lo: number, length: number): this {
    this.#push(hi, lo, length)
    return this
  }

  #push(hi: number, lo: number, length: number): void {
    const at = this.count * BUFFER_WORDS
    if (at === this.words.length) throw new RangeError(`this list holds ${this.capacity} buffers at most`)
    this.words[at] = lo
    this.words[at + 1] = hi
    this.words[at + 2] = length
    this.count++
  }
}
