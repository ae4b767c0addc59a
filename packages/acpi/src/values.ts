import type { AnyField, BytesField, NestedField, QuadField, Struct, WordField } from '@dmascope/layout'
import { hexPair, highWord, lowWord } from '@dmascope/layout'
import { fromHex, toHex } from './hex.ts'

/**
 * A 64-bit value in plain data: a Number below 2^53, else `0x` and sixteen hexadecimal digits. `Number(value)` works on
 * both, exactly on the first.
 */
export type U64 = number | `0x${string}`

type ValueOf<Field> = Field extends QuadField
  ? U64
  : Field extends BytesField
    ? string
    : Field extends WordField
      ? number
      : Field extends NestedField<infer Inner>
        ? FieldValues<Inner>
        : never

type ReservedName<Fields> = Extract<keyof Fields, 'reserved' | `reserved_${string}`>

/** The fields of a structure as plain data. Reserved ones may be left out: they are zero then. */
export type FieldValues<Fields, Skipped = never> = {
  -readonly [Name in Exclude<keyof Fields, ReservedName<Fields> | Skipped>]: ValueOf<Fields[Name]>
} & {
  -readonly [Name in Exclude<ReservedName<Fields>, Skipped>]?: ValueOf<Fields[Name]>
}

/** The values of a record, whose type and length follow from what it is. */
export type RecordValues<S extends Struct<object>> = FieldValues<S['fields'], 'type' | 'length'>

export type PlainValues = Record<string, unknown>

/** A (hi, lo) pair as plain data. */
export const u64FromPair = (hi: number, lo: number): U64 =>
  hi >>> 0 < 0x20_0000 ? (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0) : `0x${hexPair(hi, lo)}`

/** @throws RangeError where `value` is neither an integer in [0, 2^53) nor `0x` and up to sixteen digits */
export function pairFromU64(value: unknown, what: string): readonly [hi: number, lo: number] {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return [highWord(value), lowWord(value)]
  if (typeof value === 'string' && /^0x[0-9a-fA-F]{1,16}$/.test(value)) {
    const digits = value.slice(2).padStart(16, '0')
    return [Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16)]
  }
  throw new RangeError(
    `${what}: ${JSON.stringify(value)} is neither an integer in [0, 2^53) nor 0x and up to 16 digits`,
  )
}

/** `reserved`, or `reserved_21` with the byte it stands at where a structure has several. */
const isReserved = (name: string): boolean => /^reserved(?:_\d+)?$/.test(name)
const WORD_LIMIT = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const

function readField(any: AnyField, view: DataView, base: number): unknown {
  switch (any.kind) {
    case 'struct':
      return readFields((any as NestedField<Record<string, AnyField>>).fields, view, base, Number.POSITIVE_INFINITY)
    case 'bytes':
      return toHex((any as BytesField).get(view, base))
    case 'le64':
    case 'be64':
      return u64FromPair((any as QuadField).hi.get(view, base), (any as QuadField).lo.get(view, base))
    case 'array':
      throw new TypeError('an array has no plain form here: tables keep lists behind their fixed part')
    default:
      return (any as WordField).get(view, base)
  }
}

const isZero = (value: unknown): boolean => value === 0 || (typeof value === 'string' && /^0*$/.test(value))

function readFields(fields: Record<string, AnyField>, view: DataView, base: number, limit: number): PlainValues {
  const values: PlainValues = {}
  for (const name in fields) {
    const any = fields[name]!
    if (any.offset + any.size > limit) break
    if (name === 'type' || name === 'length') continue
    const value = readField(any, view, base)
    if (!(isReserved(name) && isZero(value))) values[name] = value
  }
  return values
}

/**
 * Reads the fields that lie within `limit` bytes of `base`, but for `type` and `length`, which records know otherwise.
 * Reserved fields that are zero are left out.
 */
export const readValues = (of: Struct<object>, view: DataView, base: number, limit = of.size): PlainValues =>
  readFields(of.fields as Record<string, AnyField>, view, base, limit)

function writeField(any: AnyField, view: DataView, base: number, value: unknown, what: string): void {
  switch (any.kind) {
    case 'struct':
      writeFields((any as NestedField<Record<string, AnyField>>).fields, view, base, value as PlainValues, what)
      break
    case 'bytes': {
      if (typeof value !== 'string') throw new TypeError(`${what}: takes hexadecimal digits, got ${typeof value}`)
      const data = fromHex(value, what)
      if (data.length !== any.size) throw new RangeError(`${what}: takes ${any.size} bytes, got ${data.length}`)
      ;(any as BytesField).set(view, base, data)
      break
    }
    case 'le64':
    case 'be64': {
      const [hi, lo] = pairFromU64(value, what)
      ;(any as QuadField).hi.set(view, base, hi)
      ;(any as QuadField).lo.set(view, base, lo)
      break
    }
    case 'array':
      throw new TypeError(`${what}: an array has no plain form here`)
    default: {
      const word = any as WordField
      const limit = WORD_LIMIT[word.size as 1 | 2 | 4]
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > limit) {
        throw new RangeError(`${what}: ${JSON.stringify(value)} is outside [0, 0x${limit.toString(16)}]`)
      }
      word.set(view, base, value)
    }
  }
}

function writeFields(
  fields: Record<string, AnyField>,
  view: DataView,
  base: number,
  values: PlainValues,
  what: string,
): void {
  if (typeof values !== 'object' || values === null) throw new TypeError(`${what}: takes an object of its fields`)
  for (const name in fields) {
    const value = values[name]
    const any = fields[name]!
    if (name === 'type' || name === 'length') continue
    if (value !== undefined) writeField(any, view, base, value, `${what}.${name}`)
    else if (!isReserved(name)) throw new TypeError(`${what}.${name} is missing`)
  }
}

/**
 * Writes every field but `type` and `length`; reserved ones that are absent become zero.
 *
 * @throws TypeError where a field is missing or of another type; RangeError where a value does not fit
 */
export const writeValues = (of: Struct<object>, view: DataView, base: number, values: PlainValues): void =>
  writeFields(of.fields as Record<string, AnyField>, view, base, values, of.name)

/**
 * Writes the fields that are present, of a structure that grew over the versions of its specification.
 *
 * @returns the bytes up to the end of the last one present
 */
export function writeGrowing(of: Struct<object>, view: DataView, base: number, values: PlainValues): number {
  let end = 0
  for (const [name, any] of Object.entries(of.fields as Record<string, AnyField>)) {
    const value = values[name]
    if (value === undefined) continue
    writeField(any, view, base, value, `${of.name}.${name}`)
    end = any.offset + any.size
  }
  return end
}

/** Where the last field ends that `values` has: as far as `writeGrowing` will write. */
export function growingSize(of: Struct<object>, values: PlainValues): number {
  let end = 0
  for (const [name, any] of Object.entries(of.fields as Record<string, AnyField>)) {
    if (values[name] !== undefined) end = any.offset + any.size
  }
  return end
}

/** @throws TypeError where `value` is no list */
export function listOf(value: unknown, key: string): readonly object[] {
  if (!Array.isArray(value)) throw new TypeError(`${key}: takes a list, got ${typeof value}`)
  return value as readonly object[]
}
