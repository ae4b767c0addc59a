/** The bytes of a printed table: the second column, after an offset of hexadecimal digits. */
export function bytesOfPrinted(text: string): Uint8Array {
  const bytes = text
    .split('\n')
    .flatMap((line) => /^[0-9a-f]+ {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2,}|$)/.exec(line)?.[1]?.split(' ') ?? [])
  return Uint8Array.from(bytes, (digits) => Number.parseInt(digits, 16))
}

/** Bytes of hexadecimal text with comments behind `#`. */
function bytesOfHex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '')
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

const HEADER = `
  00000000 01 00                          # length and checksum: set below
  42 4f 43 48 53 20                       # OEM ID
  42 58 50 43 20 20 20 20 01000000        # OEM table ID, revision
  42 58 50 43 01000000                    # creator
`

/** A table of `hex` behind a header whose length and checksum are right. */
export function tableOf(signature: string, hex: string): Uint8Array {
  const bytes = bytesOfHex(`${[...signature].map((one) => one.charCodeAt(0).toString(16)).join('')}${HEADER}${hex}`)
  new DataView(bytes.buffer).setUint32(4, bytes.length, true)
  bytes[9] = -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff
  return bytes
}
