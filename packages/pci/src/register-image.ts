import type { Register, Registers } from '@dmascope/layout'

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
  let blank = blanks.get(file)
  if (blank === undefined) {
    blank = blankImage(file)
    blanks.set(file, blank)
  }
  const image: RegisterImage = {
    bytes: resized(blank.bytes, size),
    writeMask: resized(blank.writeMask, size),
    clearMask: resized(blank.clearMask, size),
  }
  for (const name in values) {
    if (!(name in file.registers)) throw new TypeError(`${file.name} has no register ${name}`)
    const value = values[name]
    if (value !== undefined) putRegister(image.bytes, file.registers[name], value)
  }
  return image
}

/** Images without values, by file: each function of a machine has the same few. */
const blanks = new WeakMap<Registers, RegisterImage>()

function blankImage(file: Registers): RegisterImage {
  const image = readOnlyImage(new Uint8Array(file.size))
  for (const register of Object.values(file.registers)) {
    const { resetLo, rule } = register
    putRegister(image.bytes, register, resetLo)
    putRegister(image.writeMask, register, rule.rwLo)
    putRegister(image.clearMask, register, rule.rw1cLo)
  }
  return image
}

/** Puts a register's value into bytes of its file, which may end before it. */
export function putRegister(bytes: Uint8Array, { offset, width }: Register, value: number): void {
  for (let byte = 0; byte < width / 8 && offset + byte < bytes.length; byte++) {
    bytes[offset + byte] = (value >>> (8 * byte)) & 0xff
  }
}

/** A copy with so many bytes, of zeros where the original ends. */
function resized(bytes: Uint8Array, size: number): Uint8Array {
  if (size <= bytes.length) return bytes.slice(0, size)
  const longer = new Uint8Array(size)
  longer.set(bytes)
  return longer
}

/** An image of plain bytes that software cannot write. */
export const readOnlyImage = (bytes: Uint8Array): RegisterImage => ({
  bytes,
  writeMask: new Uint8Array(bytes.length),
  clearMask: new Uint8Array(bytes.length),
})
