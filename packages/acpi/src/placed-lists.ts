import type { AnnotatedLine, WordField } from '@dmascope/layout'
import { annotate, annotateRaw, type Form, fieldLabel } from './annotate.ts'
import { fromHex, fromText, toHex, toText } from './hex.ts'
import type { Problem } from './problem.ts'
import { growingSize, listOf, type PlainValues, readValues, writeGrowing, writeValues } from './values.ts'

/** A list in a record at an offset, from the record's start, that one of the record's fields gives. */
interface PlacedList {
  /** Its name in plain data. */
  readonly key: string
  readonly form: Form
  /** The field with the offset, which plain data has only where it is not what the builder would choose. */
  readonly place: string
  /** The field with the number of elements. Absent: there is one, where the offset is not zero. */
  readonly count?: string
}

/** What follows a record's fixed fields at once. */
type InlineList =
  /** Equal structures of a single field, kept as that field's values; their number stands in the field `count`. */
  | { readonly kind: 'values'; readonly key: string; readonly form: Form; readonly count: string }
  /** Text, ended by one NUL. */
  | { readonly kind: 'text'; readonly key: string }

/** A record whose lists stand at offsets, and whose fixed fields grew over the revisions: they end at the first list. */
export interface PlacedForm extends Form {
  /** Bytes of the fields that every revision has, among them all counts and offsets. */
  readonly minimum: number
  readonly inline?: InlineList
  /** What the record's end is a multiple of, where nothing says otherwise. Default 4. */
  readonly alignment?: 1 | 4
  readonly lists: readonly PlacedList[]
}

/** A list found: `count` elements in [start, end) of the record. */
interface Extent {
  readonly list: PlacedList | InlineList
  readonly start: number
  readonly end: number
}

interface Located {
  /** First byte that is not a fixed field's, from the record's start. */
  readonly fixedEnd: number
  /** By `start`; none overlaps another. */
  readonly extents: readonly Extent[]
  readonly values: PlainValues
  readonly unterminated: boolean
}

const wordOf = (form: Form, name: string): WordField => (form.of.fields as Record<string, WordField>)[name]!
const align4 = (size: number): number => (size + 3) & ~3
const bytesOf = (view: DataView, start: number, end: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + start, end - start)

/** Where the lists of the record in [offset, end) lie; those that cannot be believed are told and left out. */
function locate(form: PlacedForm, view: DataView, offset: number, end: number, problems: Problem[]): Located {
  const length = end - offset
  const extents: Extent[] = []
  const refuse = (field: string, message: string): void => {
    problems.push({ code: 'ACPI_LIST_PLACE', offset: offset + wordOf(form, field).offset, message })
  }
  for (const list of form.lists) {
    const start = wordOf(form, list.place).get(view, offset)
    const count = list.count === undefined ? Number(start !== 0) : wordOf(form, list.count).get(view, offset)
    if (count === 0) continue
    const stop = start + count * list.form.of.size
    const overlapped = extents.find((other) => start < other.end && other.start < stop)
    const what = `${fieldLabel(list.key)} of the ${form.of.name}, bytes ${start} to ${stop},`
    if (start < form.minimum) refuse(list.place, `${what} would overlap its fixed fields`)
    else if (stop > length) refuse(list.place, `${what} would leave its ${length} bytes`)
    else if (overlapped !== undefined) refuse(list.place, `${what} would overlap ${fieldLabel(overlapped.list.key)}`)
    else extents.push({ list, start, end: stop })
  }
  const limit = Math.min(length, ...extents.map(({ start }) => start))
  const values = readValues(form.of, view, offset, limit)
  const fixedEnd = Math.max(form.minimum, growingSize(form.of, values))
  let unterminated = false
  const { inline } = form
  if (inline?.kind === 'values') {
    const count = wordOf(form, inline.count).get(view, offset)
    const stop = fixedEnd + count * inline.form.of.size
    if (stop > limit) refuse(inline.count, `${count} elements of ${fieldLabel(inline.key)} do not fit`)
    else extents.push({ list: inline, start: fixedEnd, end: stop })
  } else if (inline?.kind === 'text') {
    const nul = bytesOf(view, offset + fixedEnd, offset + limit).indexOf(0)
    unterminated = nul < 0
    if (unterminated) {
      const message = `${fieldLabel(inline.key)} of the ${form.of.name} is not ended by a NUL`
      problems.push({ code: 'ACPI_TRAILING', offset: offset + fixedEnd, message })
    }
    extents.push({ list: inline, start: fixedEnd, end: unterminated ? limit : fixedEnd + nul + 1 })
  }
  return { fixedEnd, extents: extents.sort((a, b) => a.start - b.start), values, unterminated }
}

/** Reads the record in [offset, end), which has at least `form.minimum` bytes. */
export function parsePlaced(
  form: PlacedForm,
  view: DataView,
  offset: number,
  end: number,
  problems: Problem[],
): PlainValues {
  const { fixedEnd, extents, values, unterminated } = locate(form, view, offset, end, problems)
  const record = values
  const { inline } = form
  let cursor = fixedEnd
  if (inline !== undefined) {
    const found = extents.find(({ list }) => list === inline)
    const start = offset + (found?.start ?? 0)
    const stop = offset + (found?.end ?? 0)
    if (inline.kind === 'text') {
      record[inline.key] = toText(bytesOf(view, start, unterminated ? stop : stop - 1))
      if (unterminated) record.unterminated = true
    } else {
      const size = inline.form.of.size
      const count = (stop - start) / size
      record[inline.key] = Array.from(
        { length: count },
        (_, index) => Object.values(readValues(inline.form.of, view, start + index * size))[0],
      )
      if (record[inline.count] === count) delete record[inline.count]
    }
    cursor = Math.max(cursor, found?.end ?? 0)
  }
  for (const list of form.lists) {
    const found = extents.find((extent) => extent.list === list)
    const start = found?.start ?? 0
    const { size } = list.form.of
    const items = Array.from({ length: ((found?.end ?? 0) - start) / size }, (_, index) => {
      const at = offset + start + index * size
      return { offset: at, ...readValues(list.form.of, view, at) }
    })
    if (list.count !== undefined) {
      record[list.key] = items
      if (record[list.count] === items.length) delete record[list.count]
    } else if (items.length > 0) record[list.key] = items[0]
    if (record[list.place] === (found === undefined ? 0 : align4(cursor))) delete record[list.place]
    cursor = Math.max(cursor, found?.end ?? 0)
  }
  // What the fields and lists do not tell: bytes between and behind them, and how many there are.
  const head = wordOf(form, 'length')
  const headSize = head.offset + head.size
  const built = buildPlaced(form, record)
  const same =
    built.length === end - offset && built.every((byte, at) => at < headSize || byte === view.getUint8(offset + at))
  if (!same) {
    let covered = fixedEnd
    let padding = ''
    for (const extent of [...extents, { start: end - offset, end: end - offset }]) {
      padding += toHex(bytesOf(view, offset + covered, offset + extent.start))
      covered = extent.end
    }
    record.padding = padding
  }
  return record
}

/**
 * The bytes of a record but for its type and length. Lists follow one another, each at a multiple of four, where the
 * record does not place them.
 *
 * @throws TypeError, RangeError naming the field at fault
 */
export function buildPlaced(form: PlacedForm, record: PlainValues): Uint8Array {
  const { name } = form.of
  const fixed = new Uint8Array(form.of.size)
  const fixedView = new DataView(fixed.buffer)
  const values: PlainValues = { ...record }
  const parts: { start: number; data: Uint8Array; key: string }[] = []
  const derived = new Set(form.lists.flatMap(({ place, count = place }) => [place, count]))
  if (form.inline?.kind === 'values') derived.add(form.inline.count)
  for (const [field, { offset, size }] of Object.entries(form.of.fields as Record<string, WordField>)) {
    const required = offset + size <= form.minimum && !derived.has(field) && !/^(type|length|reserved\w*)$/.test(field)
    if (required && values[field] === undefined) throw new TypeError(`${name}.${field} is missing`)
  }
  let cursor = Math.max(form.minimum, growingSize(form.of, values))
  const put = (key: string, start: number, data: Uint8Array): void => {
    if (parts.some((other) => start < other.start + other.data.length && other.start < start + data.length)) {
      throw new RangeError(`${name}.${key}: at ${start}, it overlaps another list`)
    }
    parts.push({ start, data, key })
    cursor = Math.max(cursor, start + data.length)
  }
  put('fixed fields', 0, fixed.subarray(0, cursor))
  const { inline } = form
  if (inline?.kind === 'text') put(inline.key, cursor, nameBytes(record, inline.key))
  if (inline?.kind === 'values') {
    const field = Object.keys(inline.form.of.fields)[0]!
    const items = listOf(record[inline.key], inline.key).map((value) => ({ [field]: value }))
    put(inline.key, cursor, itemBytes(inline.form, items))
    if (items.length > 0 || values[inline.count] === undefined) values[inline.count] = items.length
  }
  for (const list of form.lists) {
    const single = record[list.key]
    const items = list.count !== undefined ? listOf(record[list.key], list.key) : single === undefined ? [] : [single]
    const start = values[list.place] ?? (items.length === 0 ? 0 : align4(cursor))
    if (items.length > 0) {
      if (!(Number.isInteger(start) && (start as number) < 0x1_0000)) {
        throw new RangeError(`${name}.${list.place}: ${String(start)} is no offset in a record`)
      }
      put(list.key, start as number, itemBytes(list.form, items as PlainValues[]))
    }
    values[list.place] = start
    if (list.count !== undefined && (items.length > 0 || values[list.count] === undefined)) {
      values[list.count] = items.length
    }
  }
  writeGrowing(form.of, fixedView, 0, values)
  return join(name, parts, record.padding, cursor, form.alignment ?? 4)
}

/** The parts at their places; what is between and behind them is `padding`, or zeros up to the record's alignment. */
function join(
  name: string,
  parts: readonly { start: number; data: Uint8Array }[],
  padding: unknown,
  end: number,
  alignment: 1 | 4,
): Uint8Array {
  const between = end - parts.reduce((sum, { data }) => sum + data.length, 0)
  const filler = padding === undefined ? undefined : fromHex(String(padding), `${name}.padding`)
  if (filler !== undefined && filler.length < between) {
    throw new RangeError(`${name}.padding: ${filler.length} bytes, but there are ${between} between the lists`)
  }
  const out = new Uint8Array(
    filler === undefined ? (alignment === 4 ? align4(end) : end) : end + filler.length - between,
  )
  let covered = 0
  let used = 0
  for (const { start, data } of [...parts].sort((a, b) => a.start - b.start || a.data.length - b.data.length)) {
    if (filler !== undefined) out.set(filler.subarray(used, used + start - covered), covered)
    used += start - covered
    out.set(data, start)
    covered = start + data.length
  }
  if (filler !== undefined) out.set(filler.subarray(used), covered)
  return out
}

function itemBytes(form: Form, items: readonly PlainValues[]): Uint8Array {
  const out = new Uint8Array(items.length * form.of.size)
  const view = new DataView(out.buffer)
  for (const [index, item] of items.entries()) writeValues(form.of, view, index * form.of.size, item)
  return out
}

function nameBytes(record: PlainValues, key: string): Uint8Array {
  const text = record[key]
  if (typeof text !== 'string') throw new TypeError(`${key}: takes text, got ${typeof text}`)
  if (text.includes('\0')) throw new RangeError(`${key}: ${JSON.stringify(text)} has a NUL, which would end it`)
  return fromText(record.unterminated === true ? text : `${text}\0`, key)
}

/** The lines of the record in [offset, end): its fields, its lists in the order of memory, the bytes between them. */
export function annotatePlaced(
  form: PlacedForm,
  view: DataView,
  offset: number,
  end: number,
  depth: number,
): AnnotatedLine[] {
  const { extents } = locate(form, view, offset, end, [])
  const limit = Math.min(end - offset, ...extents.map(({ start }) => start))
  const lines = annotate(form, view, offset, depth, limit)
  let covered = (lines.at(-1)?.offset ?? offset) + (lines.at(-1)?.size ?? 0)
  const pad = (until: number): void => {
    lines.push(...annotateRaw('Padding', view, covered, until, depth))
  }
  for (const { list, start, end: stop } of extents) {
    pad(offset + start)
    covered = offset + stop
    if ('form' in list) {
      const { size, source } = list.form.of
      const count = (stop - start) / size
      const heading = { offset: offset + start, size: stop - start, bytes: '', field: fieldLabel(list.key), depth }
      lines.push({ ...heading, value: source, meaning: count === 1 ? '' : `${count} elements` })
      for (let at = offset + start; at < covered; at += size) lines.push(...annotate(list.form, view, at, depth + 1))
    } else {
      lines.push(...annotateRaw(fieldLabel(list.key), view, offset + start, covered, depth))
    }
  }
  pad(end)
  return lines
}
