import type { Struct, WordField } from '@dmascope/layout'
import type { Form } from './annotate.ts'
import { fromHex, fromText, toHex, toText } from './hex.ts'
import { buildPlaced, type PlacedForm, parsePlaced } from './placed-lists.ts'
import { hex, type Problem } from './problem.ts'
import { listOf, type PlainValues, readValues, writeValues } from './values.ts'

/** What may follow a record's fixed fields. */
type Tail =
  /** Records of another set, up to the end. */
  | { readonly kind: 'records'; readonly key: string; readonly set: RecordSet }
  /** Equal structures, up to the end. */
  | { readonly kind: 'items'; readonly key: string; readonly form: Form }
  /** Text, ended by one NUL. */
  | { readonly kind: 'text'; readonly key: string }
  /** Text as long as the last fixed field says, which plain data does not have. */
  | { readonly kind: 'counted-text'; readonly key: string; readonly count: string }

export interface TailedForm extends Form {
  readonly tail?: Tail
}

/** `kind` is the record's in plain data. Fields whose meaning is `text` are text there, without the NULs at the end. */
type RecordKind = (TailedForm | PlacedForm) & { readonly kind: string }

export const isPlaced = (form: RecordKind): form is RecordKind & PlacedForm => 'lists' in form
const minimumOf = (form: RecordKind): number => (isPlaced(form) ? form.minimum : form.of.size)

/** Records that follow one another, each starting with a type and its length. */
export interface RecordSet {
  /** For people: `DMAR remapping structure`. */
  readonly what: string
  /** A structure of `type`, `length` and what else all records have. */
  readonly head: Struct<{ readonly type: WordField; readonly length?: WordField }>
  /** The length of a record without such a field, 0 where it cannot be told; `left` bytes are there. */
  readonly lengthOf?: (view: DataView, offset: number, left: number) => number
  readonly kinds: Readonly<Record<number, RecordKind>>
}

/** Bytes of the record at `offset`, of which `left` are there; 0 where it cannot be told. */
export const lengthOf = (set: RecordSet, view: DataView, offset: number, left: number): number =>
  set.lengthOf?.(view, offset, left) ?? set.head.fields.length?.get(view, offset) ?? 0

/** A record of a type that is not known, or too short for its type: its bytes behind what all records have. */
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

/** Reads at most `limit` records from `start` until `end`, or until one whose end cannot be believed. */
export function parseRecords(
  view: DataView,
  start: number,
  end: number,
  set: RecordSet,
  problems: Problem[],
  limit = Number.POSITIVE_INFINITY,
): { records: PlainValues[]; end: number } {
  const { type: typeField } = set.head.fields
  const records: PlainValues[] = []
  let offset = start
  while (offset < end && records.length < limit) {
    const left = end - offset
    if (left < set.head.size) {
      const message = `${left} ${left === 1 ? 'byte is' : 'bytes are'} left, too few for a ${set.what}`
      problems.push({ code: 'ACPI_TRAILING', offset, message })
      break
    }
    const type = typeField.get(view, offset)
    const length = lengthOf(set, view, offset, left)
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
  if (form === undefined || end - offset < minimumOf(form)) {
    problems.push(
      form === undefined
        ? { code: 'ACPI_RECORD_UNKNOWN', offset, message: `${set.what} of type ${type} is not known` }
        : {
            code: 'ACPI_RECORD_SHORT',
            offset,
            message: `${form.of.name} is ${end - offset} bytes long and takes at least ${minimumOf(form)}`,
          },
    )
    const known = readValues(set.head, view, offset)
    return { kind: 'unknown', offset, type, ...known, data: toHex(slice(view, offset + set.head.size, end)) }
  }
  if (isPlaced(form)) return { kind: form.kind, offset, ...parsePlaced(form, view, offset, end, problems) }
  const record: PlainValues = { kind: form.kind, offset, ...readValues(form.of, view, offset) }
  for (const name of textFields(form)) record[name] = toText(fromHex(String(record[name]), name)).replace(/\0+$/, '')
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

/** Fields that are text in plain data. */
export const textFields = (form: Form): string[] => {
  const meanings = form.meaning ?? {}
  return Object.keys(meanings).filter((name) => meanings[name] === 'text')
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
    case 'counted-text':
      // The record's length follows from the count, so all that is left is the text.
      delete record[tail.count]
      record[tail.key] = toText(slice(view, start, end))
      return end
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
  const type = found === undefined ? Number(record.type) : Number(found[0])
  if (!(Number.isInteger(type) && type >= 0 && type < 2 ** (8 * set.head.fields.type.size))) {
    throw new RangeError(`${set.what}.type: ${JSON.stringify(record.type)} does not fit`)
  }
  const out = found === undefined ? buildUnknown(record, set) : buildKnown(found[1], record, set)
  const view = new DataView(out.buffer)
  const { type: typeField, length: lengthField } = set.head.fields
  typeField.set(view, 0, type)
  if (lengthField === undefined) {
    const told = lengthOf(set, view, 0, out.length)
    if (told !== out.length) {
      throw new RangeError(`${set.what} of type ${type}: takes ${told} bytes, got ${out.length}`)
    }
  } else {
    const limit = 2 ** (8 * lengthField.size) - 1
    if (out.length > limit) {
      throw new RangeError(`a ${set.what} of ${out.length} bytes: its length field ends at ${limit}`)
    }
    lengthField.set(view, 0, out.length)
  }
  return out
}

function buildUnknown(record: PlainValues, set: RecordSet): Uint8Array {
  const data = fromHex(String(record.data), `${set.what}.data`)
  const out = new Uint8Array(set.head.size + data.length)
  writeValues(set.head, new DataView(out.buffer), 0, record)
  out.set(data, set.head.size)
  return out
}

function buildKnown(form: RecordKind, record: PlainValues, set: RecordSet): Uint8Array {
  if (isPlaced(form)) return buildPlaced(form, record)
  const tail = buildTail(form.tail, record)
  const trailing = fromHex(String(record.trailing ?? ''), `${set.what}.trailing`)
  const out = new Uint8Array(form.of.size + tail.length + trailing.length)
  const values = { ...record }
  for (const name of textFields(form)) values[name] = paddedText(record[name], name, form)
  if (form.tail?.kind === 'counted-text') values[form.tail.count] = tail.length
  writeValues(form.of, new DataView(out.buffer), 0, values)
  out.set(tail, form.of.size)
  out.set(trailing, form.of.size + tail.length)
  return out
}

function paddedText(value: unknown, name: string, form: Form): string {
  if (typeof value !== 'string') throw new TypeError(`${form.of.name}.${name}: takes text, got ${typeof value}`)
  const { size } = (form.of.fields as Record<string, { size: number }>)[name]!
  return toHex(fromText(value.padEnd(size, '\0'), `${form.of.name}.${name}`))
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
    case 'counted-text':
      return fromText(String(value), tail.key)
    default:
      return new Uint8Array(0)
  }
}

/** For problems: `DRHD at 0x30`. */
export const recordAt = (record: { kind: string; offset?: number }): string =>
  `${record.kind} at ${hex(record.offset ?? 0)}`
