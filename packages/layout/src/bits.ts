import { hexPair, highWord, lowWord } from './kinds.ts'

/**
 * How software may touch a register field: read-only, read-write, write-only (reads as zero), write one to clear,
 * reserved that must be written zero, reserved that must be preserved.
 */
export type Access = 'ro' | 'rw' | 'wo' | 'rw1c' | 'rsvdz' | 'rsvdp'

/** A bit number, or `[high, low]`, inclusive, as the manuals print it. */
export type BitRange = number | readonly [high: number, low: number]

/** A field's declaration: a range, or a range with what more is known of it. */
export type BitSpec = BitRange | FieldSpec

export interface FieldSpec {
  readonly range: BitRange
  readonly access?: Access
  /** Names of values; open: a value without a name is still a value. */
  readonly values?: Readonly<Record<number, string>>
  /** The field holds address bits: its value keeps their weight, so that bits [51:12] read as a multiple of 4096. */
  readonly address?: boolean
}

/** Address bits `[high:low]`: `get` answers the address itself, `set` takes it. */
export const addr = (high: number, low: number): FieldSpec => ({ range: [high, low], address: true })

/** A field with its own access, and perhaps named values. */
export const field = (range: BitRange, access: Access, values?: Readonly<Record<number, string>>): FieldSpec => ({
  range,
  access,
  ...(values && { values }),
})

/** One field of a word. Masks are unsigned; `hiMask` is 0 for words of at most 32 bits. */
export interface BitField {
  readonly name: string
  readonly high: number
  readonly low: number
  readonly loMask: number
  readonly hiMask: number
  readonly access: Access | undefined
  readonly values: Readonly<Record<number, string>> | undefined
  readonly address: boolean
  /** The field's value in the word (lo, hi). Exact: a field, or an address, has at most 53 significant bits. */
  get(lo: number, hi?: number): number
  /** `lo` with the part of `value` that lies in the low word put in. */
  setLo(lo: number, value: number): number
  /** `hi` with the part of `value` that lies in the high word put in. */
  setHi(hi: number, value: number): number
}

/** A word with named fields. */
export interface Bits<Name extends string = string> {
  readonly name: string
  readonly source: string
  readonly width: 8 | 16 | 32 | 64
  readonly fields: Readonly<Record<Name, BitField>>
}

const ones = (count: number): number => (count >= 32 ? 0xffff_ffff : (2 ** count - 1) >>> 0)

/** The mask of bits [high:low] within one half of a word. */
function maskOf(high: number, low: number, half: 0 | 1): number {
  const first = Math.max(low - half * 32, 0)
  const last = Math.min(high - half * 32, 31)
  return last < first ? 0 : (ones(last - first + 1) << first) >>> 0
}

function makeField(word: string, width: number, name: string, spec: BitSpec): BitField {
  const full: FieldSpec =
    typeof spec === 'number' || Array.isArray(spec) ? { range: spec as BitRange } : (spec as FieldSpec)
  const [high, low] = typeof full.range === 'number' ? [full.range, full.range] : full.range
  if (!(Number.isInteger(high) && Number.isInteger(low) && low >= 0 && low <= high && high < width)) {
    throw new RangeError(
      `bits ${word}: ${name} has the range [${high}, ${low}], outside [${width - 1}, 0] or low first`,
    )
  }
  const address = full.address === true
  const loMask = maskOf(high, low, 0)
  const hiMask = maskOf(high, low, 1)
  const inLo = low < 32
  const loShift = inLo ? low : 0
  const hiShift = inLo ? 0 : low - 32
  // What one unit of the high word's part weighs in the field's value.
  const hiWeight = inLo ? 2 ** (32 - low) : 1
  const get: BitField['get'] = address
    ? (lo, hi = 0) => ((lo & loMask) >>> 0) + ((hi & hiMask) >>> 0) * 0x1_0000_0000
    : hiMask === 0
      ? (lo) => (lo & loMask) >>> loShift
      : loMask === 0
        ? (_lo, hi = 0) => (hi & hiMask) >>> hiShift
        : (lo, hi = 0) => ((lo & loMask) >>> loShift) + ((hi & hiMask) >>> 0) * hiWeight
  const loPart = (value: number): number => (address ? lowWord(value) : loMask ? (lowWord(value) << loShift) >>> 0 : 0)
  const hiPart = (value: number): number =>
    address ? highWord(value) : inLo ? lowWord(Math.floor(value / hiWeight)) : (lowWord(value) << hiShift) >>> 0
  return {
    name,
    high,
    low,
    loMask,
    hiMask,
    access: full.access,
    values: full.values,
    address,
    get,
    setLo: (lo, value) => ((lo & ~loMask) | (loPart(value) & loMask)) >>> 0,
    setHi: (hi, value) => ((hi & ~hiMask) | (hiPart(value) & hiMask)) >>> 0,
  }
}

/**
 * Declares a word with named fields, checked at once: ranges lie inside the word and do not overlap.
 *
 * @throws RangeError naming the field whose range is outside the word or overlaps another
 */
export function bits<const Spec extends Record<string, BitSpec>>(
  width: Bits['width'],
  name: string,
  source: string,
  spec: Spec,
): Bits<keyof Spec & string> {
  let lo = 0
  let hi = 0
  const fields: Record<string, BitField> = {}
  for (const [fieldName, fieldSpec] of Object.entries(spec)) {
    const made = makeField(name, width, fieldName, fieldSpec)
    if ((lo & made.loMask) !== 0 || (hi & made.hiMask) !== 0) {
      throw new RangeError(`bits ${name}: ${fieldName} overlaps a field declared before it`)
    }
    lo |= made.loMask
    hi |= made.hiMask
    fields[fieldName] = made
  }
  return { name, source, width, fields: fields as Record<keyof Spec & string, BitField> }
}

/** One field's value as text: its name where it has one, hex for addresses and wide fields, else decimal. */
function valueText(made: BitField, lo: number, hi: number): string {
  const value = made.get(lo, hi)
  const named = made.values?.[value]
  if (named !== undefined) return named
  return made.address || made.high - made.low >= 8 ? `0x${value.toString(16)}` : String(value)
}

/** `TE=1 ESRTPS=0 CM=on`: every field of a word for a person, highest first, without those that read zero. */
export function formatBits(word: Bits, lo: number, hi = 0, options: { zeros?: boolean } = {}): string {
  const shown = Object.values(word.fields)
    .filter((made) => options.zeros === true || made.get(lo, hi) !== 0)
    .sort((a, b) => b.high - a.high)
    .map((made) => `${made.name}=${valueText(made, lo, hi)}`)
  return shown.length > 0 ? shown.join(' ') : '0'
}

/** The word in hex at its own width, e.g. `0x00f00f4a`. */
export const formatWord = (word: Bits, lo: number, hi = 0): string => `0x${hexPair(hi, lo).slice(16 - word.width / 4)}`
