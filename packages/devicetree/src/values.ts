import { hexPair } from '@dmascope/layout'

/**
 * A 64-bit value in plain data: a Number below 2^53, else `0x` and sixteen hexadecimal digits. `BigInt(value)` is exact
 * on both.
 */
export type U64 = number | `0x${string}`

/** A (hi, lo) pair as plain data. */
export const u64FromPair = (hi: number, lo: number): U64 =>
  hi >>> 0 < 0x20_0000 ? (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0) : `0x${hexPair(hi, lo)}`

/** @throws RangeError where `value` is neither an integer in [0, 2^53) nor `0x` and up to sixteen digits */
export function pairFromU64(value: U64): readonly [hi: number, lo: number] {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
    return [Math.floor(value / 0x1_0000_0000), value >>> 0]
  }
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{1,16}$/.test(value)) {
    const digits = value.slice(2).padStart(16, '0')
    return [Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16)]
  }
  throw new RangeError(`${JSON.stringify(value)} is neither an integer in [0, 2^53) nor 0x and up to 16 digits`)
}

/** A BigInt in [0, 2^64) as plain data. */
export const u64FromBig = (value: bigint): U64 =>
  value < 0x20_0000_0000_0000n ? Number(value) : `0x${value.toString(16).padStart(16, '0')}`

/**
 * Big-endian cells.
 *
 * @throws RangeError where one is not an integer in [0, 2^32)
 */
export function bytesFromCells(cells: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(cells.length * 4)
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < cells.length; index++) {
    const cell = cells[index]!
    if (!(Number.isInteger(cell) && cell >= 0 && cell <= 0xffff_ffff)) {
      throw new RangeError(`cell ${index} is ${cell}, not an integer in [0, 2^32); split 64-bit values in two cells`)
    }
    view.setUint32(index * 4, cell)
  }
  return bytes
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Strings in UTF-8, each with its NUL.
 *
 * @throws RangeError where one contains a NUL
 */
export function bytesFromStrings(strings: readonly string[]): Uint8Array {
  for (const text of strings) {
    if (text.includes('\0')) throw new RangeError(`${JSON.stringify(text)} contains NUL, which ends a string`)
  }
  return encoder.encode(strings.map((text) => `${text}\0`).join(''))
}

/** Bytes [start, end) as text, from UTF-8. Short ASCII, which nearly all of it is, needs no decoder. */
export function textFromBytes(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 64) return decoder.decode(bytes.subarray(start, end))
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte >= 0x80) return decoder.decode(bytes.subarray(start, end))
    text += String.fromCharCode(byte)
  }
  return text
}

/** Bytes up to the next NUL, a character each: so are the names of nodes and properties, whatever bytes they have. */
export function nameFromBytes(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}
