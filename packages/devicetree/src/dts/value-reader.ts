import type { GrowingBytes } from '../dtb/growing-bytes.ts'
import { readExpression } from './expression.ts'
import { type NumberWords, readByteString, readCharacter, readNumber, readString } from './literal.ts'
import { isDigitCode, isLabelCode, isNameCode, type Scanner } from './scanner.ts'
import type { Fixup, Reference } from './source-tree.ts'

const AMPERSAND = 0x26
const APOSTROPHE = 0x27
const OPEN = 0x28
const COMMA = 0x2c
const GREATER = 0x3e
const LESS = 0x3c
const QUOTE = 0x22
const OPEN_BRACKET = 0x5b

export type ReadBinary = (name: string, from: string) => Uint8Array | null

/** Reads the values of properties, behind their `=`, into the bytes of all values. */
export class ValueReader {
  readonly #scanner: Scanner
  readonly #out: GrowingBytes
  readonly #incbin: ReadBinary | undefined
  readonly #number: NumberWords = { lo: 0, hi: 0 }

  constructor(scanner: Scanner, out: GrowingBytes, incbin: ReadBinary | undefined) {
    this.#scanner = scanner
    this.#out = out
    this.#incbin = incbin
  }

  /** One value: parts with commas between. Answers the references in it. */
  read(): Fixup[] | null {
    const scanner = this.#scanner
    const start = this.#out.length
    let fixups: Fixup[] | null = null
    do {
      skipLabels(scanner)
      const code = scanner.peek()
      if (code === QUOTE) readString(scanner, this.#out)
      else if (code === LESS) fixups = this.#cells(32, start, fixups)
      else if (code === OPEN_BRACKET) {
        scanner.at++
        readByteString(scanner, this.#out)
      } else if (code === AMPERSAND) {
        const made: Fixup = { at: this.#out.length - start, kind: 'path', target: readReference(scanner) }
        if (fixups === null) fixups = [made]
        else fixups.push(made)
      } else if (scanner.acceptDirective('bits')) fixups = this.#cells(this.#width(), start, fixups)
      else if (scanner.acceptDirective('incbin')) this.#binary()
      else throw scanner.unexpected("a value: '\"', '<', '[', '&' or /bits/")
      skipLabels(scanner)
    } while (scanner.accept(COMMA))
    return fixups
  }

  #width(): number {
    const scanner = this.#scanner
    if (!isDigitCode(scanner.peek())) throw scanner.unexpected('8, 16, 32 or 64')
    const mark = scanner.mark()
    readNumber(scanner, this.#number)
    const { lo, hi } = this.#number
    if (hi !== 0 || !(lo === 8 || lo === 16 || lo === 32 || lo === 64)) {
      throw scanner.error('DTS_RANGE', '/bits/ takes 8, 16, 32 or 64', mark)
    }
    return lo
  }

  /** `< ... >`: numbers of so many bits, and references in 32. */
  #cells(width: number, start: number, found: Fixup[] | null): Fixup[] | null {
    const scanner = this.#scanner
    const out = this.#out
    const words = this.#number
    let fixups = found
    scanner.expect('<')
    for (;;) {
      const code = scanner.peek()
      if (code === GREATER) {
        scanner.at++
        return fixups
      }
      const offset = scanner.at
      if (isDigitCode(code)) {
        readNumber(scanner, words)
        if (isLabelCode(scanner.text.charCodeAt(scanner.at))) {
          throw scanner.unexpected("a space or '>' behind a number")
        }
      } else if (code === OPEN) readExpression(scanner, words)
      else if (code === APOSTROPHE) {
        words.lo = readCharacter(scanner)
        words.hi = 0
      } else if (code === AMPERSAND) {
        if (width !== 32) throw scanner.error('DTS_REFERENCE', 'references stand in cells of 32 bits only')
        const made: Fixup = { at: out.length - start, kind: 'phandle', target: readReference(scanner) }
        if (fixups === null) fixups = [made]
        else fixups.push(made)
        // As dtc has it until the reference is resolved.
        words.lo = 0xffff_ffff
        words.hi = 0
      } else if (scanner.acceptLabel() !== '') continue
      else throw scanner.unexpected("a number, a reference, '(' or '>'")
      this.#put(width, offset)
    }
  }

  #put(width: number, offset: number): void {
    const out = this.#out
    const { lo, hi } = this.#number
    if (width === 32) {
      // A negative number is one whose upper bits are all ones.
      if (hi !== 0 && !(hi === 0xffff_ffff && lo >>> 31 === 1)) this.#tooLarge(width, offset)
      out.u32(lo)
      return
    }
    if (width === 64) {
      out.u32(hi)
      out.u32(lo)
      return
    }
    const limit = 2 ** width - 1
    const isNegative = hi === 0xffff_ffff && lo >>> 0 >= 0xffff_ffff - limit
    if (!isNegative && (hi !== 0 || lo > limit)) this.#tooLarge(width, offset)
    out.reserve(2)
    if (width === 16) out.bytes[out.length++] = lo >>> 8
    out.bytes[out.length++] = lo
  }

  #tooLarge(width: number, offset: number): never {
    throw this.#scanner.error('DTS_RANGE', `this number does not fit in ${width} bits`, this.#scanner.mark(offset))
  }

  /** `/incbin/ ("file")` or `/incbin/ ("file", offset, size)`. */
  #binary(): void {
    const scanner = this.#scanner
    scanner.expect('(')
    scanner.peek()
    const mark = scanner.mark()
    const match = /"([^"\n]*)"/y
    match.lastIndex = scanner.at
    const name = match.exec(scanner.text)?.[1]
    if (name === undefined) throw scanner.unexpected('a name in quotation marks')
    scanner.at = match.lastIndex
    let start = 0
    let size: number | undefined
    if (scanner.accept(COMMA)) {
      start = this.#plain()
      scanner.expect(',')
      size = this.#plain()
    }
    scanner.expect(')')
    const data = this.#incbin?.(name, mark.source.name) ?? null
    if (data === null) throw scanner.error('DTS_INCLUDE', `"${name}" cannot be read for /incbin/`, mark)
    const count = size ?? Math.max(0, data.length - start)
    if (start + count > data.length) {
      throw scanner.error('DTS_INCLUDE', `"${name}" has ${data.length} bytes, not ${start + count}`, mark)
    }
    this.#out.copy(data, start, count)
  }

  #plain(): number {
    const scanner = this.#scanner
    if (!isDigitCode(scanner.peek())) throw scanner.unexpected('a number')
    readNumber(scanner, this.#number)
    return this.#number.hi * 0x1_0000_0000 + this.#number.lo
  }
}

function skipLabels(scanner: Scanner): void {
  while (scanner.acceptLabel() !== '');
}

/** `&label`, `&{/path}` or `&{label/path}`. The scanner stands at the `&`. */
export function readReference(scanner: Scanner): Reference {
  const mark = scanner.mark()
  const { text } = scanner
  let at = scanner.at + 1
  if (text[at] !== '{') {
    const start = at
    while (isLabelCode(text.charCodeAt(at))) at++
    if (at === start || isDigitCode(text.charCodeAt(start))) {
      throw scanner.error('DTS_SYNTAX', "a label or '{' follows '&'", mark)
    }
    scanner.at = at
    return { label: text.slice(start, at), path: '', mark }
  }
  const start = ++at
  while (isNameCode(text.charCodeAt(at)) || text[at] === '/' || text[at] === '_') at++
  const inside = text.slice(start, at)
  const slash = inside.indexOf('/')
  if (text[at] !== '}' || slash === -1) throw scanner.error('DTS_SYNTAX', "a path and '}' follow '&{'", mark)
  scanner.at = at + 1
  return { label: inside.slice(0, slash), path: inside.slice(slash), mark }
}
