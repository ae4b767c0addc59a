import { highWord } from '@dmascope/layout'
import type { RegisterImage } from './register-image.ts'
import { PCI_HEADER_TYPE1 } from './spec/bridge-header.ts'
import { EXPANSION_ROM_BAR, IO_BAR, MEMORY_BAR, PCI_HEADER_TYPE0 } from './spec/config-header.ts'

/** What a Base Address Register asks for. */
export interface BarOptions {
  /** Register number: 0 to 5, or 0 and 1 in a bridge. A `memory64` BAR takes the next register too. */
  readonly bar: number
  readonly kind: 'memory32' | 'memory64' | 'io'
  /** Bytes, a power of two: at least 16 for memory, 4 for I/O. */
  readonly size: number
  readonly prefetchable?: boolean
}

/** The number under which the expansion ROM goes among a function's BARs. */
export const ROM_BAR = 6

/** A Base Address Register as it stands. */
export interface Bar {
  /** Register number; `ROM_BAR` for the expansion ROM. */
  readonly bar: number
  readonly space: 'memory' | 'io'
  readonly is64: boolean
  readonly prefetchable: boolean
  readonly size: number
  /** Offset of the register in configuration space. */
  readonly offset: number
  /** What it decodes now; null where decoding is off, or no address that could be decoded is assigned. */
  readonly address: number | null
}

/** A BAR with its register as it is before software touches it. */
export interface BarRegister {
  readonly bar: Bar
  readonly image: RegisterImage
}

/**
 * A BAR's register, or two: address bits at and above the size are writable, the rest read as zero (§7.5.1.2.1).
 *
 * @throws RangeError naming what does not fit
 */
export function barRegister(options: BarOptions, headerType: 0 | 1): BarRegister {
  checkBar(options, headerType === 0 ? 6 : 2)
  const { bar, kind, size } = options
  const is64 = kind === 'memory64'
  const prefetchable = options.prefetchable === true
  const flags = kind === 'io' ? 1 : (is64 ? 4 : 0) | (prefetchable ? 8 : 0)
  const offset = PCI_HEADER_TYPE0.registers.BAR0.offset + 4 * bar
  const space = kind === 'io' ? 'io' : 'memory'
  return {
    bar: { bar, space, is64, prefetchable, size, offset, address: null },
    image: addressImage(size, flags, is64, 0),
  }
}

/** The expansion ROM's register. @throws RangeError for a size that none can have */
export function romRegister(size: number, headerType: 0 | 1): BarRegister {
  checkBar({ bar: 0, kind: 'memory32', size }, 6)
  if (size < 2048) throw new RangeError(`an expansion ROM has at least 2048 bytes, not ${size}`)
  const header = headerType === 0 ? PCI_HEADER_TYPE0.registers : PCI_HEADER_TYPE1.registers
  const { offset } = header.EXPANSION_ROM_BASE_ADDRESS
  return {
    bar: { bar: ROM_BAR, space: 'memory', is64: false, prefetchable: true, size, offset, address: null },
    image: addressImage(size, 0, false, EXPANSION_ROM_BAR.fields.ENABLE.loMask),
  }
}

/**
 * The address that a BAR holds, enabled or not; null for one that cannot be decoded: all ones after a sizing write (a
 * range that ends with the 32-bit space), 2^53 and above, and a ROM that is not enabled.
 */
export function heldAddress(bar: Bar, config: DataView): number | null {
  const register = config.getUint32(bar.offset, true)
  const isRom = bar.bar === ROM_BAR
  if (isRom && EXPANSION_ROM_BAR.fields.ENABLE.get(register) === 0) return null
  const field = isRom ? EXPANSION_ROM_BAR.fields.BASE : (bar.space === 'io' ? IO_BAR : MEMORY_BAR).fields.BASE
  const high = bar.is64 ? config.getUint32(bar.offset + 4, true) : 0
  if (high >= 0x20_0000) return null
  const address = high * 2 ** 32 + field.get(register)
  return !bar.is64 && address + bar.size === 2 ** 32 ? null : address
}

function addressImage(size: number, flags: number, is64: boolean, writableFlags: number): RegisterImage {
  const bytes = new Uint8Array(is64 ? 8 : 4)
  const writeMask = new Uint8Array(bytes.length)
  bytes[0] = flags
  putWord(writeMask, 0, size > 2 ** 31 ? 0 : ~(size - 1) | writableFlags)
  // From 8 GiB on, low bits of the upper half are fixed too.
  if (is64) putWord(writeMask, 4, ~highWord(size - 1))
  return { bytes, writeMask, clearMask: is64 ? NO_BITS_64 : NO_BITS_32 }
}

const NO_BITS_32 = new Uint8Array(4)
const NO_BITS_64 = new Uint8Array(8)

function putWord(bytes: Uint8Array, at: number, value: number): void {
  for (let byte = 0; byte < 4; byte++) bytes[at + byte] = value >>> (8 * byte)
}

function checkBar(options: BarOptions, registersInHeader: number): void {
  const { bar, kind, size } = options
  const last = kind === 'memory64' ? bar + 1 : bar
  if (!Number.isInteger(bar) || bar < 0 || last >= registersInHeader) {
    throw new RangeError(`BAR ${bar} (${kind}) does not fit: this header has BARs 0 to ${registersInHeader - 1}`)
  }
  const least = kind === 'io' ? 4 : 16
  const most = kind === 'memory64' ? 2 ** 52 : 2 ** 31
  if (!isPowerOfTwo(size) || size < least || size > most) {
    throw new RangeError(`BAR ${bar} (${kind}) has size ${size}: a power of two from ${least} to ${most} is needed`)
  }
}

const isPowerOfTwo = (size: number): boolean =>
  Number.isSafeInteger(size) &&
  size > 0 &&
  (size < 2 ** 31 ? (size & (size - 1)) === 0 : Number.isInteger(Math.log2(size)))
