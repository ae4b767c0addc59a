/** Big-endian output that grows. */
export class GrowingBytes {
  bytes: Uint8Array
  view: DataView
  length = 0

  constructor(capacity: number) {
    this.bytes = new Uint8Array(Math.max(capacity, 64))
    this.view = new DataView(this.bytes.buffer)
  }

  /** Room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }

  u32(value: number): void {
    this.reserve(4)
    this.view.setUint32(this.length, value)
    this.length += 4
  }

  /** Copies `count` bytes; a short run byte by byte, which costs less than a view of it. */
  copy(from: Uint8Array, start: number, count: number): void {
    this.reserve(count)
    const { bytes, length } = this
    if (count > 64) bytes.set(from.subarray(start, start + count), length)
    else for (let index = 0; index < count; index++) bytes[length + index] = from[start + index]!
    this.length = length + count
  }

  /** Zeros up to a multiple of 4. */
  align(): void {
    this.reserve(3)
    while ((this.length & 3) !== 0) this.bytes[this.length++] = 0
  }

  /** One byte a character, and NUL. */
  name(text: string): void {
    const { length: count } = text
    this.reserve(count + 1)
    const { bytes, length } = this
    for (let index = 0; index < count; index++) bytes[length + index] = text.charCodeAt(index)
    bytes[length + count] = 0
    this.length = length + count + 1
  }

  /** A view of what was written. */
  written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}
