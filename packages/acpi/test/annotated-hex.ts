/** The bytes of a printed table: the second column, after an offset of hexadecimal digits. */
export function bytesOfPrinted(text: string): Uint8Array {
  const bytes = text
    .split('\n')
    .flatMap((line) => /^[0-9a-f]+ {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2,}|$)/.exec(line)?.[1]?.split(' ') ?? [])
  return Uint8Array.from(bytes, (digits) => Number.parseInt(digits, 16))
}

/** Bytes of hexadecimal text with comments behind `#`. */
export function bytesOfHex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '')
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
