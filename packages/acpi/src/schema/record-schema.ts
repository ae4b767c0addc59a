import type { AnyField } from '@dmascope/layout'
import { z } from 'zod'
import type { PlacedForm } from '../placed-lists.ts'
import type { TailedForm } from '../records.ts'
import { isPlaced, type RecordSet, textFields } from '../records.ts'
import { hexBytes, latin, type Shape, structShape, word } from './plain-values.ts'

/** Set when parsed, ignored when built. */
const offset = z.int().min(0).optional().describe('Byte in the table; ignored when built')

const items = (of: TailedForm['of']): z.ZodType => z.array(z.strictObject({ offset, ...structShape(of) }))
/** The only field of a structure. */
export const singleField = (of: TailedForm['of']): z.ZodType => Object.values(structShape(of))[0]!

/** Records of a set, told apart by `kind`. */
export function recordsSchema(set: RecordSet): z.ZodType {
  const { type, ...head } = structShapeWithType(set)
  const unknown = z.strictObject({ kind: z.literal('unknown'), offset, type: type!, ...head, data: hexBytes() })
  const known = Object.values(set.kinds).map((form) =>
    z.strictObject({
      kind: z.literal(form.kind),
      offset,
      ...(isPlaced(form) ? placedShape(form) : tailedShape(form)),
    }),
  )
  return z.array(z.discriminatedUnion('kind', [unknown, ...known]))
}

const structShapeWithType = (set: RecordSet): Shape => ({
  type: word(set.head.fields.type.size),
  ...structShape(set.head),
})

function tailedShape(form: TailedForm): Shape {
  const { tail } = form
  const without = new Set(tail?.kind === 'counted-text' ? [tail.count] : [])
  const shape = structShape(form.of, { without, text: new Set(textFields(form)) })
  if (tail?.kind === 'records') shape[tail.key] = recordsSchema(tail.set)
  else if (tail?.kind === 'items') shape[tail.key] = items(tail.form.of)
  else if (tail !== undefined) shape[tail.key] = latin()
  shape.trailing = hexBytes().optional()
  return shape
}

function placedShape(form: PlacedForm): Shape {
  const { inline, lists, minimum } = form
  const derived = new Set(lists.flatMap(({ place, count = place }) => [place, count]))
  if (inline?.kind === 'values') derived.add(inline.count)
  const optional = (name: string, any: AnyField): boolean => derived.has(name) || any.offset + any.size > minimum
  const shape = structShape(form.of, { optional })
  if (inline?.kind === 'values') shape[inline.key] = z.array(singleField(inline.form.of))
  if (inline?.kind === 'text') {
    shape[inline.key] = latin()
    shape.unterminated = z.literal(true).optional()
  }
  for (const { key, form: of, count } of lists) {
    shape[key] = count === undefined ? z.strictObject({ offset, ...structShape(of.of) }).optional() : items(of.of)
  }
  shape.padding = hexBytes().optional()
  return shape
}
