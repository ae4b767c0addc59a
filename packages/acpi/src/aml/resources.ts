import { type Aml, buffer, bytesOf, join, pushLittleEndian } from './encode.ts'
import { ADDRESS_TYPE, RESOURCE } from './opcodes.ts'

/** Ports or bus addresses, first to last. */
export interface ResourceRange {
  readonly first: number
  readonly last: number
  /** Memory only. */
  readonly prefetchable?: boolean
  /** What a bridge adds to get the address on its own bus's primary side: where ports are memory to the processor. */
  readonly translation?: number
}

const littleEndian = (value: number, size: number): number[] => pushLittleEndian([], value, size)

/** Of an extended interrupt's flags. */
const EDGE = 0x02
/** _MIF and _MAF: both ends are fixed; positive decode; a producer. */
const FIXED = 0x0c

function address(tag: number, width: 2 | 4 | 8, type: number, typeFlags: number, range: ResourceRange): Aml {
  const { first, last } = range
  const limit = width === 8 ? Number.MAX_SAFE_INTEGER : 0xffff_ffff >>> (32 - 8 * width)
  if (!(Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 0 && first <= last && last <= limit)) {
    throw new RangeError(`resource 0x${first.toString(16)} to 0x${last.toString(16)} does not fit ${width * 8} bits`)
  }
  // Granularity 0, first, last, translation, length: ACPI 6.5 §6.4.3.5.
  const bytes = [tag, 3 + 5 * width, 0, type, FIXED, typeFlags]
  for (const value of [0, first, last, range.translation ?? 0, last - first + 1]) {
    for (let index = 0, rest = value; index < width; index++, rest = Math.floor(rest / 0x100)) bytes.push(rest % 0x100)
  }
  return bytesOf(bytes)
}

/** Buses first to last, as a host bridge produces them. */
export const busNumbers = (range: ResourceRange): Aml => address(RESOURCE.WORD_ADDRESS, 2, ADDRESS_TYPE.bus, 0, range)

/** Ports that a host bridge passes on: ISA and other ranges alike. */
export const portWindow = (range: ResourceRange): Aml =>
  range.translation === undefined
    ? address(RESOURCE.WORD_ADDRESS, 2, ADDRESS_TYPE.io, 3, range)
    : address(RESOURCE.DWORD_ADDRESS, 4, ADDRESS_TYPE.io, 3, range)

/** Read-write memory that a host bridge passes on, in the shortest descriptor that holds it. */
export const memoryWindow = (range: ResourceRange): Aml => {
  const flags = range.prefetchable === true ? 0x07 : 0x01
  return range.last <= 0xffff_ffff
    ? address(RESOURCE.DWORD_ADDRESS, 4, ADDRESS_TYPE.memory, flags, range)
    : address(RESOURCE.QWORD_ADDRESS, 8, ADDRESS_TYPE.memory, flags, range)
}

/** The same, by 64-bit addresses wherever it lies. */
export const wideMemoryWindow = (range: ResourceRange): Aml =>
  address(RESOURCE.QWORD_ADDRESS, 8, ADDRESS_TYPE.memory, 0x01, range)

/**
 * Ports that a device itself decodes, all sixteen bits of them: ACPI 6.5 §6.4.2.5.
 *
 * @param alignment - 0 where the device cannot move
 */
export function ports(first: number, length: number, alignment = 1): Aml {
  if (!(first >= 0 && length >= 1 && length <= 0xff && first + length <= 0x1_0000)) {
    throw new RangeError(`${length} ports at 0x${first.toString(16)} do not fit a port descriptor`)
  }
  return bytesOf([RESOURCE.IO_PORT, 1, ...littleEndian(first, 2), ...littleEndian(first, 2), alignment, length])
}

/** Memory below 4 GiB that a device itself decodes, read and write: ACPI 6.5 §6.4.3.4. */
export function fixedMemory(base: number, length: number): Aml {
  if (!(base >= 0 && length >= 1 && base + length <= 2 ** 32)) {
    throw new RangeError(`${length} bytes at 0x${base.toString(16)} are not below 4 GiB`)
  }
  return Uint8Array.from([RESOURCE.FIXED_MEMORY_32, 9, 0, 1, ...littleEndian(base, 4), ...littleEndian(length, 4)])
}

/** How an interrupt behaves. What is left out: level, active high, shared. */
export interface InterruptNature {
  readonly edge?: boolean
  readonly low?: boolean
  readonly exclusive?: boolean
}

/** Interrupts that a device consumes: ACPI 6.5 §6.4.3.6. */
export function interrupts(gsis: readonly number[], { edge, low, exclusive }: InterruptNature = {}): Aml {
  if (gsis.length < 1 || gsis.length > 255)
    throw new RangeError(`${gsis.length} interrupts: a descriptor takes 1 to 255`)
  const flags = 0x01 | (edge === true ? 0x02 : 0) | (low === true ? 0x04 : 0) | (exclusive === true ? 0 : 0x08)
  const numbers = gsis.flatMap((gsi) => littleEndian(gsi, 4))
  const length = littleEndian(2 + numbers.length, 2)
  return Uint8Array.from([RESOURCE.EXTENDED_INTERRUPT, ...length, flags, gsis.length, ...numbers])
}

/** An ISA interrupt, 0 to 15: edge, active high and exclusive, or level, active low and shared: ACPI 6.5 §6.4.2.1. */
export function isaInterrupt(irq: number, nature: 'edge' | 'level-low' = 'edge'): Aml {
  if (!(Number.isInteger(irq) && irq >= 0 && irq <= 15)) throw new RangeError(`ISA interrupt ${irq}: 0 to 15`)
  const mask = littleEndian(1 << irq, 2)
  return nature === 'edge'
    ? Uint8Array.from([RESOURCE.IRQ, ...mask])
    : Uint8Array.from([RESOURCE.IRQ_WITH_FLAGS, ...mask, 0x18])
}

/** A resource template: descriptors, then the end tag, whose checksum zero means that it was not computed. */
export const resourceTemplate = (...descriptors: readonly Aml[]): Aml =>
  buffer(join(...descriptors, Uint8Array.of(RESOURCE.END_TAG, 0)))

/** What a template's descriptors say, as far as PCI needs it. */
export interface Resources {
  interrupts: number[]
  /** Of these, the ones that are triggered by an edge. */
  edges: number[]
  buses: ResourceRange[]
  ports: ResourceRange[]
  memory: ResourceRange[]
}

/** Reads a resource template up to its end tag, or to where it is cut off. Other descriptors are passed over. */
export function readResources(data: Uint8Array): Resources {
  const found: Resources = { interrupts: [], edges: [], buses: [], ports: [], memory: [] }
  const word = (offset: number, size: number): number => {
    let value = 0
    for (let index = size - 1; index >= 0; index--) value = value * 0x100 + (data[offset + index] ?? 0)
    return value
  }
  let offset = 0
  while (offset < data.length) {
    const tag = data[offset]!
    const large = tag >= 0x80
    const length = large ? 3 + word(offset + 1, 2) : 1 + (tag & 7)
    if ((tag & 0xf8) === (RESOURCE.END_TAG & 0xf8) || offset + length > data.length) break
    if (tag === RESOURCE.EXTENDED_INTERRUPT) {
      const count = Math.min(data[offset + 4]!, Math.floor((length - 5) / 4))
      for (let index = 0; index < count; index++) {
        const gsi = word(offset + 5 + index * 4, 4)
        found.interrupts.push(gsi)
        if ((data[offset + 3]! & EDGE) !== 0) found.edges.push(gsi)
      }
    } else if (tag === RESOURCE.IRQ || tag === RESOURCE.IRQ_WITH_FLAGS) {
      const mask = word(offset + 1, 2)
      // Without flags it is an edge, as on the ISA bus; of the flags, bit 0 says so.
      const edge = tag === RESOURCE.IRQ || (data[offset + 3]! & 1) !== 0
      for (let irq = 0; irq < 16; irq++) {
        if ((mask & (1 << irq)) === 0) continue
        found.interrupts.push(irq)
        if (edge) found.edges.push(irq)
      }
    } else if (tag === RESOURCE.IO_PORT) {
      const first = word(offset + 2, 2)
      found.ports.push({ first, last: first + Math.max(1, data[offset + 7]!) - 1 })
    } else if (tag === RESOURCE.FIXED_MEMORY_32) {
      const first = word(offset + 4, 4)
      const size = word(offset + 8, 4)
      if (length >= 12 && size > 0) found.memory.push({ first, last: first + size - 1 })
    } else if (tag === RESOURCE.WORD_ADDRESS || tag === RESOURCE.DWORD_ADDRESS || tag === RESOURCE.QWORD_ADDRESS) {
      const width = tag === RESOURCE.WORD_ADDRESS ? 2 : tag === RESOURCE.DWORD_ADDRESS ? 4 : 8
      if (length >= 6 + 5 * width) {
        const range = { first: word(offset + 6 + width, width), last: word(offset + 6 + 2 * width, width) }
        const type = data[offset + 3]!
        if (type === ADDRESS_TYPE.bus) found.buses.push(range)
        else if (type === ADDRESS_TYPE.io) {
          const translation = word(offset + 6 + 3 * width, width)
          found.ports.push(translation === 0 ? range : { ...range, translation })
        } else if (type === ADDRESS_TYPE.memory) {
          const prefetchable = (data[offset + 5]! & 0x06) === 0x06
          found.memory.push(prefetchable ? { ...range, prefetchable } : range)
        }
      }
    }
    offset += length
  }
  return found
}
