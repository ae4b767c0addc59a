import type { AnyField, NestedField, Struct } from '@dmascope/layout'

/** How a field's bytes are read and written: what a loop over fields of all sorts branches on. */
type FieldSort = 'u8' | 'le16' | 'le32' | 'be16' | 'be32' | 'le64' | 'be64' | 'bytes' | 'struct' | 'array'

/** One field as reading and writing need it, told once a structure: tables are built and read at each boot. */
export interface PlannedField {
  readonly name: string
  /** For errors: `FADT.RESET_REG.address`. */
  readonly what: string
  readonly sort: FieldSort
  /** Bytes from the start of the outermost structure. */
  readonly offset: number
  readonly size: number
  /** `type` and `length`, which records know otherwise. */
  readonly implied: boolean
  /** May be left out, and is zero then. */
  readonly reserved: boolean
  /** The fields of a structure within; empty for all else. */
  readonly inner: readonly PlannedField[]
}

/** `reserved`, or `reserved_21` with the byte it stands at where a structure has several. */
const isReserved = (name: string): boolean => /^reserved(?:_\d+)?$/.test(name)

const plans = new WeakMap<Struct<object>, readonly PlannedField[]>()

/** The fields of a declared structure, in order. */
export function planOf(of: Struct<object>): readonly PlannedField[] {
  let plan = plans.get(of)
  if (plan === undefined) {
    plan = planFields(of.fields as Record<string, AnyField>, of.name)
    plans.set(of, plan)
  }
  return plan
}

const planFields = (fields: Readonly<Record<string, AnyField>>, outer: string): readonly PlannedField[] =>
  Object.entries(fields).map(([name, field]) => ({
    name,
    what: `${outer}.${name}`,
    sort: field.kind,
    offset: field.offset,
    size: field.size,
    implied: name === 'type' || name === 'length',
    reserved: isReserved(name),
    inner:
      field.kind === 'struct'
        ? planFields((field as NestedField<Record<string, AnyField>>).fields, `${outer}.${name}`)
        : [],
  }))
