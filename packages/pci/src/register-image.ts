import type { Registers } from '@dmascope/layout'

/** Initial bytes of a piece of configuration space, and what software's writes may do to each bit. */
export interface RegisterImage {
  readonly bytes: Uint8Array
  /** Bits that take what is written. Same length as `bytes`. */
  readonly writeMask: Uint8Array
  /** Bits that a written one clears. */
  readonly clearMask: Uint8Array
}

/**
 * The image of a declared register file: reset values and write rules as declared, with the values given in their
 * stead.
 *
 * @param values - by register name
 * @param size - bytes, where it differs from the declared file: a capability may end before optional registers
 * @throws TypeError for a value whose register the file does not have
 */
export function registerImage<Name extends string>(
  file: Registers<Name>,
  values?: Readonly<Partial<Record<Name, number>>>,
  size: number = file.size,
): RegisterImage {
  const given: Readonly<Partial<Record<string, number>>> = values ?? {}
  for (const name of Object.keys(given)) {
    if (!(name in file.registers)) throw new TypeError(`${file.name} has no register ${name}`)
  }
  const image: RegisterImage = {
    bytes: new Uint8Array(size),
    writeMask: new Uint8Array(size),
    clearMask: new Uint8Array(size),
  }
  for (const name of Object.keys(file.registers) as Name[]) {
    const { offset, width, resetLo, rule } = file.registers[name]
    const value = given[name] ?? resetLo
    for (let byte = 0; byte < width / 8 && offset + byte < size; byte++) {
      image.bytes[offset + byte] = (value >>> (8 * byte)) & 0xff
      image.writeMask[offset + byte] = (rule.rwLo >>> (8 * byte)) & 0xff
      image.clearMask[offset + byte] = (rule.rw1cLo >>> (8 * byte)) & 0xff
    }
  }
  return image
}

/** An image of plain bytes that software cannot write. */
export const readOnlyImage = (bytes: Uint8Array): RegisterImage => ({
  bytes,
  writeMask: new Uint8Array(bytes.length),
  clearMask: new Uint8Array(bytes.length),
})
