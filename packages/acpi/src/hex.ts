const DIGITS: readonly string[] = Array.from({ length: 0x100 }, (_, byte) => (byte + 0x100).toString(16).slice(1))

/** Bytes as lower-case hexadecimal digits, without separators: how tables keep raw bytes in plain data. */
export function toHex(data: Uint8Array): string {
  let text = ''
  for (let index = 0; index < data.length; index++) text += DIGITS[data[index]!]!
  return text
}

/** The same of a run of bytes in a view. */
export function hexOf(view: DataView, start: number, size: number): string {
  let text = ''
  for (let index = start; index < start + size; index++) text += DIGITS[view.getUint8(index)]!
  return text
}

const SPACES = [0x20, 0x0a, 0x0d, 0x09]

/** The value of a hexadecimal digit's character code; -1 of any other. */
const digitOf = (code: number): number =>
  code >= 0x30 && code <= 0x39
    ? code - 0x30
    : code >= 0x61 && code <= 0x66
      ? code - 0x57
      : code >= 0x41 && code <= 0x46
        ? code - 0x37
        : -1

/**
 * The bytes of hexadecimal digits; white space between them is ignored.
 *
 * @param what - named in the error
 * @throws TypeError where `text` is not an even number of hexadecimal digits
 */
export function fromHex(text: string, what: string): Uint8Array {
  const data = new Uint8Array(text.length >>> 1)
  let digits = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const digit = digitOf(code)
    if (digit >= 0) {
      const at = digits++ >>> 1
      if (at < data.length) data[at] = (data[at]! << 4) | digit
    } else if (!SPACES.includes(code)) digits = Number.NaN
  }
  if (digits % 2 === 0) return data.subarray(0, digits / 2)
  const shown = text.length > 60 ? `${text.slice(0, 60)}...` : text
  throw new TypeError(`${what}: ${JSON.stringify(shown)} is not pairs of hexadecimal digits`)
}

/** Bytes as text, one character U+0000 to U+00FF a byte, so that any bytes survive. */
export function toText(data: Uint8Array): string {
  let text = ''
  for (let index = 0; index < data.length; index++) text += String.fromCharCode(data[index]!)
  return text
}

/** The same of a run of bytes in a view. */
export function textOf(view: DataView, start: number, size: number): string {
  let text = ''
  for (let index = start; index < start + size; index++) text += String.fromCharCode(view.getUint8(index))
  return text
}

/**
 * The inverse of `toText`.
 *
 * @throws TypeError where a character is above U+00FF
 */
export function fromText(text: string, what: string): Uint8Array {
  const data = new Uint8Array(text.length)
  putText(data, 0, text, what)
  return data
}

/** The same into bytes that are there. */
export function putText(into: Uint8Array, at: number, text: string, what: string): void {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 0xff) throw new TypeError(`${what}: ${JSON.stringify(text)} has a character that is not one byte`)
    into[at + index] = code
  }
}
