import type { AnyField, NestedField, Struct } from '@dmascope/layout'
import { z } from 'zod'

export type Shape = Record<string, z.ZodType>

const LIMITS = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const
const U64_ERROR = 'expected an integer in [0, 2^53), or "0x" and up to 16 hexadecimal digits'

export const word = (size: number): z.ZodType =>
  z
    .int()
    .min(0)
    .max(LIMITS[size as keyof typeof LIMITS])

/** A 64-bit value in plain data. */
export const u64 = z.union([z.int().min(0), z.string().regex(/^0x[0-9a-fA-F]{1,16}$/)], { error: U64_ERROR })

/** Bytes as hexadecimal digits; `size` of them where it is given. */
export const hexBytes = (size?: number): z.ZodType =>
  size === undefined
    ? z.string().regex(/^(?:[0-9a-fA-F]{2})*$/, { error: 'expected pairs of hexadecimal digits' })
    : z.string().regex(new RegExp(`^[0-9a-fA-F]{${size * 2}}$`), { error: `expected ${size * 2} hexadecimal digits` })

/** Text of at most `size` characters, each of them one byte. */
export const latin = (size?: number): z.ZodType =>
  z.string().regex(size === undefined ? /^[\0-\xff]*$/ : new RegExp(`^[\\0-\\xff]{0,${size}}$`), {
    error: size === undefined ? 'expected characters up to U+00FF' : `expected at most ${size} characters up to U+00FF`,
  })

const isReserved = (name: string): boolean => /^reserved(?:_\d+)?$/.test(name)

function fieldSchema(any: AnyField): z.ZodType {
  switch (any.kind) {
    case 'struct':
      return z.strictObject(fieldsShape((any as NestedField<Record<string, AnyField>>).fields, {}))
    case 'bytes':
      return hexBytes(any.size)
    case 'le64':
    case 'be64':
      return u64
    default:
      return word(any.size)
  }
}

/** How the fields of a structure stand in plain data. */
export interface FieldRules {
  /** Left out of plain data. */
  readonly without?: ReadonlySet<string>
  /** Kept as text, not as bytes. */
  readonly text?: ReadonlySet<string>
  /** May be left out, besides the reserved ones. */
  readonly optional?: (name: string, any: AnyField) => boolean
}

function fieldsShape(fields: Record<string, AnyField>, rules: FieldRules): Shape {
  const shape: Shape = {}
  for (const [name, any] of Object.entries(fields)) {
    if (name === 'type' || name === 'length' || rules.without?.has(name)) continue
    const schema = rules.text?.has(name) ? latin(any.size) : fieldSchema(any)
    shape[name] = isReserved(name) || rules.optional?.(name, any) ? schema.optional() : schema
  }
  return shape
}

/** The fields of a declared structure, as `readValues` has them. */
export const structShape = (of: Struct<object>, rules: FieldRules = {}): Shape =>
  fieldsShape(of.fields as Record<string, AnyField>, rules)
