import type { PropertyValue, QemuVersion } from '../description.ts'

/** What a property takes. Bounds are inclusive. */
export type PropertyType =
  | { readonly kind: 'bool' }
  | { readonly kind: 'uint'; readonly bits: 8 | 16 | 32 | 64 }
  | { readonly kind: 'int'; readonly bits: 32 | 64 }
  | { readonly kind: 'size' }
  | { readonly kind: 'string' }
  | { readonly kind: 'enum'; readonly values: readonly string[] }
  | { readonly kind: 'pci-address' }
  | { readonly kind: 'mac' }

/** A device property. */
export interface PropertySpec {
  readonly type: PropertyType
  /** By QEMU version, or null where QEMU has none or computes it. */
  readonly defaults: Readonly<Record<QemuVersion, PropertyValue | null>>
  /** Whether it changes where DMA goes, what the guest sees on PCI, or how interrupts travel; else accepted and ignored. */
  readonly bearing: boolean
  /** QEMU releases that have it. */
  readonly versions: readonly QemuVersion[]
}

export const QEMU_VERSIONS: readonly QemuVersion[] = ['7.2', '11.1']

/** A value as typed became a typed value, or what was expected instead. */
export type ParsedValue = { readonly value: PropertyValue } | { readonly expected: string }

const BOOLEANS: Readonly<Record<string, boolean>> = {
  on: true,
  yes: true,
  true: true,
  y: true,
  off: false,
  no: false,
  false: false,
  n: false,
}

const SIZE_SUFFIXES = ['B', 'K', 'M', 'G', 'T', 'P', 'E']

/** `4096`, `0x1000`, `8M`, `1.5G`: bytes, or null. A number without suffix is in units of `unit`. */
export function parseSize(text: string, unit = 1): number | null {
  const match = /^(0x[0-9a-f]+|\d+(?:\.\d+)?)([bkmgtpe])?$/i.exec(text)
  if (match === null) return null
  const [, digits, suffix] = match
  const scale = suffix === undefined ? unit : 1024 ** SIZE_SUFFIXES.indexOf(suffix.toUpperCase())
  // A fraction of a byte is no size.
  const bytes = Number(digits) * scale
  return Number.isSafeInteger(bytes) ? bytes : null
}

/** Decimal, hexadecimal (0x) or octal (leading 0), as C's strtoull with base 0 reads it; null for anything else. */
export function parseInteger(text: string): bigint | null {
  const trimmed = text.trim()
  if (/^[+-]?0x[0-9a-f]+$/i.test(trimmed)) {
    const magnitude = BigInt(trimmed.replace(/^[+-]/, ''))
    return trimmed.startsWith('-') ? -magnitude : magnitude
  }
  if (/^[+-]?0[0-7]+$/.test(trimmed)) {
    const magnitude = BigInt(`0o${trimmed.replace(/^[+-]?0/, '')}`)
    return trimmed.startsWith('-') ? -magnitude : magnitude
  }
  return /^[+-]?\d+$/.test(trimmed) ? BigInt(trimmed.replace(/^\+/, '')) : null
}

/** `4`, `04.0`, `0x1f.2`, `-1`: QEMU reads both parts as hexadecimal. Null where it is none. */
export function parsePciAddress(text: string): { readonly device: number; readonly function: number } | null {
  const match = /^(?:0x)?([0-9a-f]{1,2})(?:\.(?:0x)?([0-9a-f]))?$/i.exec(text)
  if (match === null) return null
  const device = Number.parseInt(match[1]!, 16)
  const fn = match[2] === undefined ? 0 : Number.parseInt(match[2], 16)
  return device > 31 || fn > 7 ? null : { device, function: fn }
}

/** The type in words, for messages. */
export function describeType(type: PropertyType): string {
  switch (type.kind) {
    case 'bool':
      return "'on' or 'off'"
    case 'uint':
      return `a number of ${type.bits} bits, decimal or 0x hexadecimal`
    case 'int':
      return `a signed number of ${type.bits} bits`
    case 'size':
      return 'a size such as 4096, 0x1000, 8M or 1G'
    case 'enum':
      return type.values.map((value) => `'${value}'`).join(', ')
    case 'pci-address':
      return "a PCI address such as '4', '0x1f.2'"
    case 'mac':
      return "an Ethernet address such as '52:54:00:12:34:56'"
    case 'string':
      return 'a text'
  }
}

function parseNumber(type: { kind: 'uint' | 'int'; bits: number }, value: PropertyValue): PropertyValue | null {
  const read =
    typeof value === 'number' ? (Number.isSafeInteger(value) ? BigInt(value) : null) : parseInteger(String(value))
  if (read === null) return null
  // Like QEMU, which takes -1 for the largest unsigned value, as in `bootindex` or `romsize`.
  const most = 2n ** BigInt(type.kind === 'uint' ? type.bits : type.bits - 1)
  const least = type.kind === 'uint' ? (type.bits === 64 ? 0n : -1n) : -most
  if (read < least || read >= most) return null
  if (type.kind === 'uint' && read < 0n) return Number(most + read)
  return read <= BigInt(Number.MAX_SAFE_INTEGER) && read >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(read)
    : `0x${read.toString(16)}`
}

/**
 * Reads a property as QEMU does. Booleans become `true`/`false`, numbers and sizes numbers (a 64-bit number of 2^53 or
 * above stays text, in hexadecimal), the others text; PCI addresses become `1f.2`.
 */
export function parsePropertyValue(type: PropertyType, value: PropertyValue): ParsedValue {
  const expected = { expected: describeType(type) }
  switch (type.kind) {
    case 'bool': {
      if (typeof value === 'boolean') return { value }
      const read = typeof value === 'string' && Object.hasOwn(BOOLEANS, value) ? BOOLEANS[value] : undefined
      return read === undefined ? expected : { value: read }
    }
    case 'uint':
    case 'int': {
      if (typeof value === 'boolean') return expected
      const read = parseNumber(type, value)
      return read === null ? expected : { value: read }
    }
    case 'size': {
      if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? { value } : expected
      const read = typeof value === 'string' ? parseSize(value) : null
      return read === null ? expected : { value: read }
    }
    case 'enum': {
      // A machine file may write on/off, which YAML or JSON may already have made a boolean.
      const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value)
      return type.values.includes(text) ? { value: text } : expected
    }
    case 'pci-address': {
      if (typeof value === 'boolean') return expected
      // A bare number in JSON is devfn, as in QEMU; text is hexadecimal slot[.function].
      const read =
        typeof value === 'number'
          ? Number.isInteger(value) && value >= 0 && value <= 255
            ? { device: value >> 3, function: value & 7 }
            : null
          : parsePciAddress(value)
      return read === null
        ? expected
        : { value: `${read.device.toString(16).padStart(2, '0')}.${read.function.toString(16)}` }
    }
    case 'mac':
      return typeof value === 'string' && /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(value)
        ? { value: value.toLowerCase().replaceAll('-', ':') }
        : expected
    case 'string':
      return { value: String(value) }
  }
}
