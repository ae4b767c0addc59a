/**
 * The buffers of one request, as bus addresses: those that the device reads first, then those that it writes. Made
 * once and filled again for every request.
 */
export class BufferList {
  readonly hi: Uint32Array
  readonly lo: Uint32Array
  /** Bytes. */
  readonly length: Uint32Array
  count = 0
  /** The first so many are device-readable, the rest device-writable. */
  readableCount = 0

  constructor(capacity: number) {
    this.hi = new Uint32Array(capacity)
    this.lo = new Uint32Array(capacity)
    this.length = new Uint32Array(capacity)
  }

  get capacity(): number {
    return this.hi.length
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
    const at = this.count
    if (at >= this.hi.length) throw new RangeError(`this list holds ${this.hi.length} buffers at most`)
    this.hi[at] = hi
    this.lo[at] = lo
    this.length[at] = length
    this.count = at + 1
  }
}
