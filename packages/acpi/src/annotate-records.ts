import type { AnnotatedLine } from '@dmascope/layout'
import { annotate, annotateRaw, fieldLabel } from './annotate.ts'
import { annotatePlaced } from './placed-lists.ts'
import { isPlaced, lengthOf, parseRecords, type RecordSet, type TailedForm } from './records.ts'

/** The lines of at most `limit` records in [start, end) of the view; for each a line with its name, then its fields. */
export function annotateRecords(
  view: DataView,
  start: number,
  end: number,
  set: RecordSet,
  depth: number,
  limit?: number,
): AnnotatedLine[] {
  const lines: AnnotatedLine[] = []
  const { records, end: rest } = parseRecords(view, start, end, set, [], limit)
  for (const record of records) {
    const offset = record.offset as number
    const size = lengthOf(set, view, offset, end - offset)
    const form = record.kind === 'unknown' ? undefined : set.kinds[set.head.fields.type.get(view, offset)]!
    const { name, source } = form?.of ?? { name: `unknown ${set.what}`, source: set.head.source }
    const meaning = form?.summary?.(view, offset, offset + size) ?? ''
    lines.push({ offset, size, bytes: '', field: name, value: source, meaning, depth })
    if (form === undefined) {
      lines.push(...annotate({ of: set.head }, view, offset, depth + 1))
      lines.push(...annotateRaw('Data', view, offset + set.head.size, offset + size, depth + 1))
    } else if (isPlaced(form)) lines.push(...annotatePlaced(form, view, offset, offset + size, depth + 1))
    else lines.push(...annotateTailed(form, view, offset, offset + size, depth + 1))
  }
  const isCut = records.length < (limit ?? Number.POSITIVE_INFINITY)
  lines.push(
    ...(isCut ? annotateCut(view, rest, end, set, depth) : annotateRaw('Trailing bytes', view, rest, end, depth)),
  )
  return lines
}

/** What is left where a record's end cannot be believed: the fields that there are of its type, then bytes. */
function annotateCut(view: DataView, start: number, end: number, set: RecordSet, depth: number): AnnotatedLine[] {
  const type = end - start < set.head.size ? undefined : set.head.fields.type.get(view, start)
  const form = type === undefined ? undefined : set.kinds[type]
  if (form === undefined) return annotateRaw('Trailing bytes', view, start, end, depth)
  const { name, source } = form.of
  const heading = { offset: start, size: end - start, bytes: '', field: name, value: source, meaning: 'cut off', depth }
  const fields = annotate(form, view, start, depth + 1, end - start)
  const covered = (fields.at(-1)?.offset ?? start) + (fields.at(-1)?.size ?? 0)
  return [heading, ...fields, ...annotateRaw('Trailing bytes', view, covered, end, depth + 1)]
}

function annotateTailed(form: TailedForm, view: DataView, offset: number, end: number, depth: number): AnnotatedLine[] {
  const { tail } = form
  const lines = annotate(form, view, offset, depth)
  const behind = offset + form.of.size
  if (tail?.kind === 'records') return [...lines, ...annotateRecords(view, behind, end, tail.set, depth)]
  if (tail?.kind !== 'items') {
    const name = tail === undefined ? 'Trailing bytes' : fieldLabel(tail.key)
    return [...lines, ...annotateRaw(name, view, behind, end, depth)]
  }
  let at = behind
  const { size } = tail.form.of
  for (; at + size <= end; at += size) lines.push(...annotate(tail.form, view, at, depth))
  return [...lines, ...annotateRaw('Trailing bytes', view, at, end, depth)]
}
