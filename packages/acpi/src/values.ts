import type { BytesField, NestedField, QuadField, Struct, WordField } from '@dmascope/layout'
import { hexPair, highWord, lowWord } from '@dmascope/layout'
import { type PlannedField, planOf } from './field-plan.ts'
import { fromHex, hexOf } from './hex.ts'

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

function readField(field: PlannedField, view: DataView, base: number): unknown {
  const at = base + field.offset
  switch (field.sort) {
    case 'u8':
      return view.getUint8(at)
    case 'le16':
      return view.getUint16(at, true)
    case 'le32':
      return view.getUint32(at, true)
    case 'le64':
      return u64FromPair(view.getUint32(at + 4, true), view.getUint32(at, true))
    case 'bytes':
      return hexOf(view, at, field.size)
    case 'struct':
      return readFields(field.inner, view, base, Number.POSITIVE_INFINITY, {})
    case 'be16':
      return view.getUint16(at, false)
    case 'be32':
      return view.getUint32(at, false)
    case 'be64':
      return u64FromPair(view.getUint32(at, false), view.getUint32(at + 4, false))
    case 'array':
      throw new TypeError('an array has no plain form here: tables keep lists behind their fixed part')
  }
}

function isZero(value: unknown): boolean {
  if (typeof value !== 'string') return value === 0
  for (let index = 0; index < value.length; index++) if (value.charCodeAt(index) !== DIGIT_0) return false
  return true
}
const DIGIT_0 = 0x30

function readFields(
  fields: readonly PlannedField[],
  view: DataView,
  base: number,
  limit: number,
  values: PlainValues,
): PlainValues {
  for (const field of fields) {
    if (field.offset + field.size > limit) break
    if (field.implied) continue
    const value = readField(field, view, base)
    if (!(field.reserved && isZero(value))) values[field.name] = value
  }
  return values
}

/**
 * Reads the fields that lie within `limit` bytes of `base`, but for `type` and `length`, which records know otherwise.
 * Reserved fields that are zero are left out.
 */
export const readValues = (of: Struct<object>, view: DataView, base: number, limit = of.size): PlainValues =>
  readFields(planOf(of), view, base, limit, {})

/** The same into `values`, behind what they have already. */
export const readInto = (
  values: PlainValues,
  of: Struct<object>,
  view: DataView,
  base: number,
  limit = of.size,
): PlainValues => readFields(planOf(of), view, base, limit, values)

const WORD_LIMIT = [0, 0xff, 0xffff, 0, 0xffff_ffff]

function checkedWord({ size, what }: PlannedField, value: unknown): number {
  const limit = WORD_LIMIT[size]!
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > limit) {
    throw new RangeError(`${what}: ${JSON.stringify(value)} is outside [0, 0x${limit.toString(16)}]`)
  }
  return value
}

function writeField(field: PlannedField, view: DataView, base: number, value: unknown): void {
  const at = base + field.offset
  switch (field.sort) {
    case 'u8':
      view.setUint8(at, checkedWord(field, value))
      break
    case 'le16':
      view.setUint16(at, checkedWord(field, value), true)
      break
    case 'le32':
      view.setUint32(at, checkedWord(field, value), true)
      break
    case 'be16':
      view.setUint16(at, checkedWord(field, value), false)
      break
    case 'be32':
      view.setUint32(at, checkedWord(field, value), false)
      break
    case 'le64':
    case 'be64': {
      const [hi, lo] = pairFromU64(value, field.what)
      const little = field.sort === 'le64'
      view.setUint32(little ? at + 4 : at, hi, little)
      view.setUint32(little ? at : at + 4, lo, little)
      break
    }
    case 'bytes': {
      if (typeof value !== 'string') throw new TypeError(`${field.what}: takes hexadecimal digits, got ${typeof value}`)
      const data = fromHex(value, field.what)
      if (data.length !== field.size) {
        throw new RangeError(`${field.what}: takes ${field.size} bytes, got ${data.length}`)
      }
      for (let index = 0; index < data.length; index++) view.setUint8(at + index, data[index]!)
      break
    }
    case 'struct':
      writeFields(field.inner, view, base, value as PlainValues, NONE, field.what)
      break
    case 'array':
      throw new TypeError(`${field.what}: an array has no plain form here`)
  }
}

const NONE: PlainValues = {}

function writeFields(
  fields: readonly PlannedField[],
  view: DataView,
  base: number,
  values: PlainValues,
  instead: PlainValues,
  what: string,
): void {
  if (typeof values !== 'object' || values === null) throw new TypeError(`${what}: takes an object of its fields`)
  for (const field of fields) {
    if (field.implied) continue
    const value = instead === NONE ? values[field.name] : (instead[field.name] ?? values[field.name])
    if (value !== undefined) writeField(field, view, base, value)
    else if (!field.reserved) throw new TypeError(`${field.what} is missing`)
  }
}

/**
 * Writes every field but `type` and `length`; reserved ones that are absent become zero.
 *
 * @param instead - values that go before those of the same names
 * @throws TypeError where a field is missing or of another type; RangeError where a value does not fit
 */
export const writeValues = (
  of: Struct<object>,
  view: DataView,
  base: number,
  values: PlainValues,
  instead: PlainValues = NONE,
): void => writeFields(planOf(of), view, base, values, instead, of.name)

/**
 * Writes the fields that are present, of a structure that grew over the versions of its specification.
 *
 * @returns the bytes up to the end of the last one present
 */
export function writeGrowing(of: Struct<object>, view: DataView, base: number, values: PlainValues): number {
  let end = 0
  for (const field of planOf(of)) {
    const value = values[field.name]
    if (value === undefined) continue
    writeField(field, view, base, value)
    end = field.offset + field.size
  }
  return end
}

/** Where the last field ends that `values` has: as far as `writeGrowing` will write. */
export function growingSize(of: Struct<object>, values: PlainValues): number {
  const fields = planOf(of)
  for (let index = fields.length - 1; index >= 0; index--) {
    const { name, offset, size } = fields[index]!
    if (values[name] !== undefined) return offset + size
  }
  return 0
}

/** @throws TypeError where `value` is no list */
export function listOf(value: unknown, key: string): readonly object[] {
  if (!Array.isArray(value)) throw new TypeError(`${key}: takes a list, got ${typeof value}`)
  return value as readonly object[]
}
