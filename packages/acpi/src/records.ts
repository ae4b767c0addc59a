import type { Struct, WordField } from '@dmascope/layout'
import { type AnnotatedLine, annotate, annotateRaw, type Form } from './annotate.ts'
import { fromHex, fromText, toHex, toText } from './hex.ts'
import { hex, type Problem } from './problem.ts'
import { type PlainValues, readValues, writeValues } from './values.ts'

/** What may follow a record's fixed fields. */
type Tail =
  /** Records of another set, up to the end. */
  | { readonly kind: 'records'; readonly key: string; readonly set: RecordSet }
  /** Equal structures, up to the end. */
  | { readonly kind: 'items'; readonly key: string; readonly form: Form }
  /** Text, ended by one NUL. */
  | { readonly kind: 'text'; readonly key: string }

interface RecordKind extends Form {
  /** The record's `kind` in plain data. */
  readonly kind: string
  readonly tail?: Tail
}

/** Records that follow one another, each starting with a type and its length. */
export interface RecordSet {
  /** For people: `DMAR remapping structure`. */
  readonly what: string
  /** A structure of `type` and `length` alone. */
  readonly head: Struct<{ readonly type: WordField; readonly length: WordField }>
  readonly kinds: Readonly<Record<number, RecordKind>>
}

/** A record of a type that is not known, or too short for its type: its bytes behind type and length. */
export interface UnknownRecord {
  kind: 'unknown'
  /** Byte in the table; set when parsed, ignored when built. */
  offset?: number
  type: number
  /** Hexadecimal digits. */
  data: string
}

/** What every parsed record bears besides its fields. */
export interface RecordExtras {
  /** Byte in the table; set when parsed, ignored when built. */
  offset?: number
  /** Bytes that belong to no field, behind all others, as hexadecimal digits. */
  trailing?: string
}

const slice = (view: DataView, start: number, end: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + start, end - start)

/** Reads records from `start` until `end`, or until one whose end cannot be believed. */
export function parseRecords(
  view: DataView,
  start: number,
  end: number,
  set: RecordSet,
  problems: Problem[],
): { records: PlainValues[]; end: number } {
  const { type: typeField, length: lengthField } = set.head.fields
  const records: PlainValues[] = []
  let offset = start
  while (offset < end) {
    const left = end - offset
    if (left < set.head.size) {
      const message = `${left} ${left === 1 ? 'byte is' : 'bytes are'} left, too few for a ${set.what}`
      problems.push({ code: 'ACPI_TRAILING', offset, message })
      break
    }
    const type = typeField.get(view, offset)
    const length = lengthField.get(view, offset)
    if (length < set.head.size) {
      const message = `${set.what} of type ${type} has length ${length}: no record can follow it`
      problems.push({ code: 'ACPI_RECORD_LENGTH', offset, message })
      break
    }
    if (length > left) {
      const message = `${set.what} of type ${type} has length ${length}, but only ${left} bytes are left`
      problems.push({ code: 'ACPI_RECORD_PAST_END', offset, message })
      break
    }
    records.push(parseRecord(view, offset, offset + length, type, set, problems))
    offset += length
  }
  return { records, end: offset }
}

function parseRecord(
  view: DataView,
  offset: number,
  end: number,
  type: number,
  set: RecordSet,
  problems: Problem[],
): PlainValues {
  const form = set.kinds[type]
  if (form === undefined || end - offset < form.of.size) {
    problems.push(
      form === undefined
        ? { code: 'ACPI_RECORD_UNKNOWN', offset, message: `${set.what} of type ${type} is not known` }
        : {
            code: 'ACPI_RECORD_SHORT',
            offset,
            message: `${form.of.name} is ${end - offset} bytes long and takes at least ${form.of.size}`,
          },
    )
    return { kind: 'unknown', offset, type, data: toHex(slice(view, offset + set.head.size, end)) }
  }
  const record: PlainValues = { kind: form.kind, offset, ...readValues(form.of, view, offset) }
  const rest = parseTail(form.tail, view, offset + form.of.size, end, record, problems)
  if (rest < end) {
    record.trailing = toHex(slice(view, rest, end))
    if (form.tail?.kind !== 'records') {
      const message = `${end - rest} bytes of the ${form.of.name} belong to no field`
      problems.push({ code: 'ACPI_TRAILING', offset: rest, message })
    }
  }
  return record
}

function parseTail(
  tail: Tail | undefined,
  view: DataView,
  start: number,
  end: number,
  record: PlainValues,
  problems: Problem[],
): number {
  switch (tail?.kind) {
    case 'records': {
      const inner = parseRecords(view, start, end, tail.set, problems)
      record[tail.key] = inner.records
      return inner.end
    }
    case 'items': {
      const { of } = tail.form
      const count = Math.floor((end - start) / of.size)
      record[tail.key] = Array.from({ length: count }, (_, index) => readValues(of, view, start + index * of.size))
      return start + count * of.size
    }
    case 'text': {
      // One NUL ends the text. Without it, the text is kept with nothing behind it, marked by an empty trailing.
      const terminated = end > start && view.getUint8(end - 1) === 0
      record[tail.key] = toText(slice(view, start, terminated ? end - 1 : end))
      if (!terminated) {
        record.trailing = ''
        problems.push({ code: 'ACPI_TRAILING', offset: start, message: 'the name is not ended by a NUL' })
      }
      return end
    }
    default:
      return start
  }
}

/** The bytes of records, in order. @throws TypeError, RangeError naming the field at fault */
export function buildRecords(records: readonly object[], set: RecordSet): Uint8Array {
  const built = records.map((record) => buildRecord(record as PlainValues, set))
  const out = new Uint8Array(built.reduce((sum, one) => sum + one.length, 0))
  let offset = 0
  for (const one of built) {
    out.set(one, offset)
    offset += one.length
  }
  return out
}

function buildRecord(record: PlainValues, set: RecordSet): Uint8Array {
  const found = Object.entries(set.kinds).find(([, form]) => form.kind === record.kind)
  if (found === undefined && record.kind !== 'unknown') {
    const known = Object.values(set.kinds).map((form) => form.kind)
    throw new TypeError(`${JSON.stringify(record.kind)} is no ${set.what}: ${known.join(', ')} or unknown`)
  }
  const fixed = found === undefined ? set.head.size : found[1].of.size
  const tail =
    found === undefined
      ? [fromHex(String(record.data), `${set.what}.data`)]
      : [buildTail(found[1].tail, record), fromHex(String(record.trailing ?? ''), `${set.what}.trailing`)]
  const length = tail.reduce((sum, one) => sum + one.length, fixed)
  const limit = 2 ** (8 * set.head.fields.length.size) - 1
  if (length > limit) throw new RangeError(`a ${set.what} of ${length} bytes: its length field ends at ${limit}`)
  const out = new Uint8Array(length)
  const view = new DataView(out.buffer)
  const type = found === undefined ? Number(record.type) : Number(found[0])
  if (!(Number.isInteger(type) && type >= 0 && type < 2 ** (8 * set.head.fields.type.size))) {
    throw new RangeError(`${set.what}.type: ${JSON.stringify(record.type)} does not fit`)
  }
  set.head.fields.type.set(view, 0, type)
  set.head.fields.length.set(view, 0, length)
  if (found !== undefined) writeValues(found[1].of, view, 0, record)
  let offset = fixed
  for (const one of tail) {
    out.set(one, offset)
    offset += one.length
  }
  return out
}

function buildTail(tail: Tail | undefined, record: PlainValues): Uint8Array {
  const value = tail === undefined ? undefined : record[tail.key]
  switch (tail?.kind) {
    case 'records':
      return buildRecords(listOf(value, tail.key), tail.set)
    case 'items': {
      const { of } = tail.form
      const items = listOf(value, tail.key)
      const out = new Uint8Array(items.length * of.size)
      const view = new DataView(out.buffer)
      for (const [index, item] of items.entries()) writeValues(of, view, index * of.size, item as PlainValues)
      return out
    }
    case 'text': {
      const name = fromText(String(value), tail.key)
      const out = new Uint8Array(name.length + (record.trailing === '' ? 0 : 1))
      out.set(name)
      return out
    }
    default:
      return new Uint8Array(0)
  }
}

export function listOf(value: unknown, key: string): readonly object[] {
  if (!Array.isArray(value)) throw new TypeError(`${key}: takes a list, got ${typeof value}`)
  return value as readonly object[]
}

/** The lines of records that lie in [start, end) of the view; for each a line with its name, then its fields. */
export function annotateRecords(
  view: DataView,
  start: number,
  end: number,
  set: RecordSet,
  depth: number,
): AnnotatedLine[] {
  const lines: AnnotatedLine[] = []
  const { records, end: rest } = parseRecords(view, start, end, set, [])
  for (const record of records) {
    const offset = record.offset as number
    const length = set.head.fields.length.get(view, offset)
    const known = record.kind !== 'unknown'
    const form = known ? set.kinds[set.head.fields.type.get(view, offset)]! : { of: set.head as Struct<object> }
    const title = known ? form.of.name : `unknown ${set.what}`
    lines.push({ offset, size: length, bytes: '', field: title, value: form.of.source, meaning: '', depth })
    lines.push(...annotate(form, view, offset, depth + 1))
    const behind = offset + form.of.size
    const tail = known ? (form as RecordKind).tail : undefined
    if (tail?.kind === 'records') lines.push(...annotateRecords(view, behind, offset + length, tail.set, depth + 1))
    else if (tail?.kind === 'items') {
      const { of } = tail.form
      let at = behind
      for (; at + of.size <= offset + length; at += of.size) lines.push(...annotate(tail.form, view, at, depth + 1))
      lines.push(...annotateRaw('Trailing bytes', view, at, offset + length, depth + 1))
    } else {
      const name = tail?.kind === 'text' ? tail.key : known ? 'Trailing bytes' : 'Data'
      lines.push(...annotateRaw(name, view, behind, offset + length, depth + 1))
    }
  }
  lines.push(...annotateRaw('Trailing bytes', view, rest, end, depth))
  return lines
}

/** For problems: `DRHD at 0x30`. */
export const recordAt = (record: { kind: string; offset?: number }): string =>
  `${record.kind} at ${hex(record.offset ?? 0)}`
