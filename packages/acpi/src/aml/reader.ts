import { hex } from '../problem.ts'
import { NotDecodable } from './objects.ts'
import { OP } from './opcodes.ts'

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
    let value = 0n
    for (let index = 0; index < size; index++) value |= BigInt(this.byte()) << BigInt(8 * index)
    return value
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
    for (let index = 0; index < extra; index++) value += this.byte() * 2 ** (4 + 8 * index)
    return value
  }

  isName(): boolean {
    const byte = this.peek()
    return (
      (byte >= 0x41 && byte <= 0x5a) ||
      byte === 0x5f ||
      byte === OP.RootChar ||
      byte === OP.ParentPrefixChar ||
      byte === OP.DualNamePrefix ||
      byte === OP.MultiNamePrefix
    )
  }

  segment(): string {
    let text = ''
    const start = this.position
    for (let index = 0; index < 4; index++) text += String.fromCharCode(this.byte())
    if (!/^[A-Z_][A-Z0-9_]{3}$/.test(text)) throw new NotDecodable(start, `${JSON.stringify(text)} is no name`)
    return text
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
    return prefix + Array.from({ length: count }, () => this.segment()).join('.')
  }

  text(): string {
    let text = ''
    for (let byte = this.byte(); byte !== 0; byte = this.byte()) text += String.fromCharCode(byte)
    return text
  }
}
