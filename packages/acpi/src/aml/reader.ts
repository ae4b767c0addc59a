import { hex } from '../problem.ts'
import { NotDecodable } from './objects.ts'
import { OP } from './opcodes.ts'

/** Integers of one byte, which most are. */
const BYTES: readonly bigint[] = Array.from({ length: 0x100 }, (_, value) => BigInt(value))

/** What a name starts with, by byte: a letter, an underscore, or a prefix. */
const NAME_LEADS = Uint8Array.from({ length: 0x100 }, (_, byte) =>
  (byte >= 0x41 && byte <= 0x5a) ||
  byte === 0x5f ||
  byte === OP.RootChar ||
  byte === OP.ParentPrefixChar ||
  byte === OP.DualNamePrefix ||
  byte === OP.MultiNamePrefix
    ? 1
    : 0,
)

const isLetter = (byte: number): boolean => (byte >= 0x41 && byte <= 0x5a) || byte === 0x5f
const isLetterOrDigit = (byte: number): boolean => isLetter(byte) || (byte >= 0x30 && byte <= 0x39)

/** A position in AML bytes, and what can be read there without knowing the namespace. */
export class AmlReader {
  readonly data: Uint8Array
  position: number
  end: number

  constructor(data: Uint8Array, start: number, end: number) {
    this.data = data
    this.position = start
    this.end = end
  }

  byte(): number {
    if (this.position >= this.end) throw new NotDecodable(this.position, 'the AML ends within a term')
    return this.data[this.position++]!
  }

  peek(): number {
    return this.position < this.end ? this.data[this.position]! : -1
  }

  /** A little-endian integer of `size` bytes. */
  number(size: number): bigint {
    if (size === 1) return BYTES[this.byte()]!
    const lo = this.#word(Math.min(size, 4))
    return size <= 4 ? BigInt(lo) : (BigInt(this.#word(size - 4)) << 32n) | BigInt(lo)
  }

  /** Up to four bytes, as an unsigned Number. */
  #word(size: number): number {
    let value = 0
    for (let index = 0; index < size; index++) value |= this.byte() << (8 * index)
    return value >>> 0
  }

  /** Reads a PkgLength; answers where what it spans ends. */
  packageEnd(): number {
    const start = this.position
    const end = start + this.packageLength()
    if (end > this.end || end < this.position) {
      throw new NotDecodable(start, `a package ends at ${hex(end)}, outside what is around it`)
    }
    return end
  }

  /** A PkgLength as a number: field lists count bits with it. */
  packageLength(): number {
    const lead = this.byte()
    const extra = lead >> 6
    if (extra === 0) return lead & 0x3f
    let value = lead & 0xf
    for (let index = 0; index < extra; index++) value |= this.byte() << (4 + 8 * index)
    return value
  }

  isName(): boolean {
    return this.position < this.end && NAME_LEADS[this.data[this.position]!] === 1
  }

  segment(): string {
    const start = this.position
    const [a, b, c, d] = [this.byte(), this.byte(), this.byte(), this.byte()]
    const text = String.fromCharCode(a, b, c, d)
    if (isLetter(a) && isLetterOrDigit(b) && isLetterOrDigit(c) && isLetterOrDigit(d)) return text
    throw new NotDecodable(start, `${JSON.stringify(text)} is no name`)
  }

  /** A NameString as text: prefixes, then segments of four characters with dots between them; empty for none. */
  name(): string {
    let prefix = ''
    if (this.peek() === OP.RootChar) {
      this.position++
      prefix = '\\'
    } else {
      while (this.peek() === OP.ParentPrefixChar) {
        this.position++
        prefix += '^'
      }
    }
    const lead = this.peek()
    let count = 1
    if (lead === 0) {
      this.position++
      count = 0
    } else if (lead === OP.DualNamePrefix) {
      this.position++
      count = 2
    } else if (lead === OP.MultiNamePrefix) {
      this.position++
      count = this.byte()
    }
    let name = prefix
    for (let index = 0; index < count; index++) name += index === 0 ? this.segment() : `.${this.segment()}`
    return name
  }

  text(): string {
    let text = ''
    for (let byte = this.byte(); byte !== 0; byte = this.byte()) text += String.fromCharCode(byte)
    return text
  }
}
