/** Bytes as lower-case hexadecimal digits, without separators: how tables keep raw bytes in plain data. */
export function toHex(data: Uint8Array): string {
  let text = ''
  for (let index = 0; index < data.length; index++) text += (data[index]! + 0x100).toString(16).slice(1)
  return text
}

/**
 * The bytes of hexadecimal digits; white space between them is ignored.
 *
 * @param what - named in the error
 * @throws TypeError where `text` is not an even number of hexadecimal digits
 */
export function fromHex(text: string, what: string): Uint8Array {
  const digits = text.replace(/\s+/g, '')
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) {
    throw new TypeError(`${what}: ${JSON.stringify(text)} is not pairs of hexadecimal digits`)
  }
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  )
}

/** Bytes as text, one character U+0000 to U+00FF a byte, so that any bytes survive. */
export function toText(data: Uint8Array): string {
  let text = ''
  for (let index = 0; index < data.length; index++) text += String.fromCharCode(data[index]!)
  return text
}

/**
 * The inverse of `toText`.
 *
 * @throws TypeError where a character is above U+00FF
 */
export function fromText(text: string, what: string): Uint8Array {
  const data = new Uint8Array(text.length)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code > 0xff) throw new TypeError(`${what}: ${JSON.stringify(text)} has a character that is not one byte`)
    data[index] = code
  }
  return data
}
