import type { AnyField, Kind, NestedField } from './kinds.ts'

type FieldOf<K> = K extends Kind<infer Field> ? Field : never
type FieldsOf<Spec> = { readonly [Name in keyof Spec]: FieldOf<Spec[Name]> }

/**
 * A memory structure: its size and, per field, an accessor.
 *
 * Hold the accessors that a hot path needs in module-level constants (`const { addr, len } = VIRTQ_DESC.fields`):
 * used so, they cost what hand-written DataView code costs.
 */
export interface Struct<Fields = Record<string, AnyField>> extends Kind<NestedField<Fields>> {
  readonly name: string
  /** The specification and section that define it. */
  readonly source: string
  /** Bytes. */
  readonly size: number
  readonly fields: Fields
}

/**
 * Declares a packed structure; fields follow one another without padding, in the order written.
 *
 * @param name - the specification's own name
 * @param source - specification and section, e.g. `virtio 1.3 §2.7.5`
 * @throws TypeError where a name is no identifier
 */
export function struct<const Spec extends Record<string, Kind<unknown>>>(
  name: string,
  source: string,
  spec: Spec,
): Struct<FieldsOf<Spec>> {
  const place = (start: number): { fields: FieldsOf<Spec>; size: number } => {
    const fields: Record<string, unknown> = {}
    let offset = start
    for (const [field, kind] of Object.entries(spec)) {
      if (!/^[A-Za-z_]\w*$/.test(field))
        throw new TypeError(`struct ${name}: ${JSON.stringify(field)} is no field name`)
      fields[field] = kind.place(offset)
      offset += kind.size
    }
    return { fields: fields as FieldsOf<Spec>, size: offset - start }
  }
  const { fields, size } = place(0)
  return {
    name,
    source,
    size,
    fields,
    place: (offset) => ({ kind: 'struct', offset, size, name, fields: place(offset).fields }),
  }
}
