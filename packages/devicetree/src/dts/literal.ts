import type { GrowingBytes } from '../dtb/growing-bytes.ts'
import { isDigitCode, type Scanner } from './scanner.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** A number as two unsigned words: what the last call of `readNumber` read. */
export interface NumberWords {
  lo: number
  hi: number
}

const hexDigit = (code: number): number =>
  code >= 0x30 && code <= 0x39
    ? code - 0x30
    : code >= 0x61 && code <= 0x66
      ? code - 0x57
      : code >= 0x41 && code <= 0x46
        ? code - 0x37
        : -1

/**
 * A number as C writes it: decimal, 0x hexadecimal or 0 octal, with U, L, UL, LL or ULL behind it.
 *
 * @throws DmascopeError `DTS_NUMBER` where it is none or above 64 bits
 */
export function readNumber(scanner: Scanner, out: NumberWords): void {
  const { text } = scanner
  const start = scanner.at
  let at = start
  let base = 10
  if (text.charCodeAt(at) === 0x30) {
    const next = text.charCodeAt(at + 1) | 0x20
    if (next === 0x78) {
      base = 16
      at += 2
    } else base = 8
  }
  const digits = at
  let value = 0
  for (let digit = hexDigit(text.charCodeAt(at)); digit >= 0 && (base === 16 || digit < 10); ) {
    if (digit >= base)
      throw scanner.error('DTS_NUMBER', `'${text[at]}' is no octal digit; a number that starts with 0 is octal`)
    value = value * base + digit
    digit = hexDigit(text.charCodeAt(++at))
  }
  if (at === digits) throw scanner.error('DTS_NUMBER', 'no digits follow 0x')
  scanner.at = at
  skipSuffix(scanner)
  if (value < 0x20_0000_0000_0000) {
    out.lo = value >>> 0
    out.hi = value < 0x1_0000_0000 ? 0 : Math.floor(value / 0x1_0000_0000)
    return
  }
  const written = text.slice(start, at)
  const exact = BigInt(base === 8 ? `0o${written.slice(1)}` : written)
  if (exact > 0xffff_ffff_ffff_ffffn) {
    scanner.at = start
    throw scanner.error('DTS_NUMBER', `${written} does not fit in 64 bits`)
  }
  out.lo = Number(exact & 0xffff_ffffn)
  out.hi = Number(exact >> 32n)
}

function skipSuffix(scanner: Scanner): void {
  const { text } = scanner
  if (text[scanner.at] === 'U') scanner.at++
  if (text[scanner.at] === 'L') scanner.at++
  if (text[scanner.at] === 'L') scanner.at++
}

/** `'x'` or `'\n'`: one byte. The scanner stands at the apostrophe. */
export function readCharacter(scanner: Scanner): number {
  const mark = scanner.mark()
  scanner.at++
  const code = scanner.text.charCodeAt(scanner.at++)
  let value = code
  if (code === BACKSLASH) value = readEscape(scanner)
  if (
    scanner.text[scanner.at] !== "'" ||
    code === 0x27 ||
    Number.isNaN(code) ||
    value > 0x7f + (code === BACKSLASH ? 0x80 : 0)
  ) {
    throw scanner.error('DTS_STRING', 'a character in apostrophes is exactly one byte', mark)
  }
  scanner.at++
  return value
}

/** A text in quotation marks, in UTF-8 and with its NUL. The scanner stands at the first mark. */
export function readString(scanner: Scanner, out: GrowingBytes): void {
  const mark = scanner.mark()
  const { text } = scanner
  let at = scanner.at + 1
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) break
    if (at >= text.length) throw scanner.error('DTS_STRING', 'no quotation mark ends this text', mark)
    at++
    out.reserve(4)
    if (code === BACKSLASH) {
      scanner.at = at
      out.bytes[out.length++] = readEscape(scanner)
      at = scanner.at
    } else if (code < 0x80) {
      out.bytes[out.length++] = code
    } else {
      const point = text.codePointAt(at - 1)!
      if (point > 0xffff) at++
      out.length += encoder.encodeInto(String.fromCodePoint(point), out.bytes.subarray(out.length)).written
    }
  }
  out.reserve(1)
  out.bytes[out.length++] = 0
  scanner.at = at + 1
}

const encoder = new TextEncoder()
const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 }

/** What follows a backslash: a letter of C's, up to three octal digits, x and up to two hexadecimal ones, or itself. */
function readEscape(scanner: Scanner): number {
  const { text } = scanner
  const first = text[scanner.at]
  if (first === undefined) throw scanner.error('DTS_STRING', 'the text ends behind a backslash')
  const named = ESCAPES[first]
  if (named !== undefined) {
    scanner.at++
    return named
  }
  const isHex = first === 'x'
  if (isHex) scanner.at++
  const base = isHex ? 16 : 8
  const limit = scanner.at + (isHex ? 2 : 3)
  const start = scanner.at
  let value = 0
  while (scanner.at < limit) {
    const digit = hexDigit(text.charCodeAt(scanner.at))
    if (digit < 0 || digit >= base) break
    value = value * base + digit
    scanner.at++
  }
  if (scanner.at > start) return value & 0xff
  if (isHex) throw scanner.error('DTS_STRING', 'no hexadecimal digit follows \\x')
  const code = text.charCodeAt(scanner.at)
  if (code > 0x7f) throw scanner.error('DTS_STRING', 'only an ASCII character can follow a backslash')
  scanner.at++
  return code
}

/** The inside of `[ ... ]`, up to its end. */
export function readByteString(scanner: Scanner, out: GrowingBytes): void {
  while (!scanner.accept(0x5d)) {
    if (scanner.acceptLabel() !== '') continue
    const code = scanner.peek()
    const high = hexDigit(code)
    const low = hexDigit(scanner.text.charCodeAt(scanner.at + 1))
    if (high < 0 || low < 0) throw scanner.unexpected("two hexadecimal digits or ']'")
    scanner.at += 2
    out.reserve(1)
    out.bytes[out.length++] = high * 16 + low
  }
}

export const startsNumber = (code: number): boolean => isDigitCode(code)
