import type { Register, Registers } from '@dmascope/layout'

/** Initial bytes of a piece of configuration space, and what software's writes may do to each bit. */
export interface RegisterImage {
  readonly bytes: Uint8Array
  /** Bits that take what is written. Same length as `bytes`. Other images may share it: see `withOwnMasks`. */
  readonly writeMask: ArrayLike<number>
  /** Bits that a written one clears. The same goes for it. */
  readonly clearMask: ArrayLike<number>
}

/** An image whose write rules may be changed. */
export interface OwnRegisterImage extends RegisterImage {
  readonly writeMask: Uint8Array
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
  const { bytes: blank, writeMask, clearMask } = blankOf(file, size)
  const bytes = blank.slice()
  for (const name in values) {
    if (!(name in file.registers)) throw new TypeError(`${file.name} has no register ${name}`)
    const value = values[name]
    if (value !== undefined) putRegister(bytes, file.registers[name], value)
  }
  return { bytes, writeMask, clearMask }
}

/** The same image, with write rules of its own. */
export const withOwnMasks = ({ bytes, writeMask, clearMask }: RegisterImage): OwnRegisterImage => ({
  bytes,
  writeMask: new Uint8Array(writeMask),
  clearMask: new Uint8Array(clearMask),
})

/** Images without values, by file and size: each function of a machine has the same few. Written to by nobody. */
const blanks = new WeakMap<Registers, Map<number, RegisterImage>>()

function blankOf(file: Registers, size: number): RegisterImage {
  let sizes = blanks.get(file)
  if (sizes === undefined) {
    sizes = new Map()
    blanks.set(file, sizes)
  }
  let blank = sizes.get(size)
  if (blank === undefined) {
    blank = blankImage(file, size)
    sizes.set(size, blank)
  }
  return blank
}

function blankImage(file: Registers, size: number): RegisterImage {
  const image = readOnlyImage(new Uint8Array(size))
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

/** An image of plain bytes that software cannot write. */
export const readOnlyImage = (bytes: Uint8Array): OwnRegisterImage => ({
  bytes,
  writeMask: new Uint8Array(bytes.length),
  clearMask: new Uint8Array(bytes.length),
})
