import type { Struct, WordField } from '@dmascope/layout'
import type { Form } from './annotate.ts'
import { fromHex, fromText, toHex, toText } from './hex.ts'
import { buildPlaced, type PlacedForm, parsePlaced } from './placed-lists.ts'
import { hex, type Problem } from './problem.ts'
import type { TableWriter } from './table-writer.ts'
import { listOf, type PlainValues, readInto, readValues, writeValues } from './values.ts'

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
  const record = readInto({ kind: form.kind, offset }, form.of, view, offset)
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

const texts = new WeakMap<Form, readonly string[]>()

/** Fields that are text in plain data. */
export function textFields(form: Form): readonly string[] {
  let names = texts.get(form)
  if (names === undefined) {
    names = Object.entries(form.meaning ?? {}).flatMap(([name, meaning]) => (meaning === 'text' ? [name] : []))
    texts.set(form, names)
  }
  return names
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
      const items: PlainValues[] = []
      for (let index = 0; index < count; index++) items.push(readValues(of, view, start + index * of.size))
      record[tail.key] = items
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

/** Kinds of a set by their names in plain data, with their types. */
type KindsByName = ReadonlyMap<unknown, { readonly type: number; readonly form: RecordKind }>
const named = new WeakMap<RecordSet, KindsByName>()

function kindsByName(set: RecordSet): KindsByName {
  let kinds = named.get(set)
  if (kinds === undefined) {
    kinds = new Map(Object.entries(set.kinds).map(([type, form]) => [form.kind, { type: Number(type), form }]))
    named.set(set, kinds)
  }
  return kinds
}

/** Puts the bytes of records, in order. @throws TypeError, RangeError naming the field at fault */
export function buildRecords(records: readonly object[], set: RecordSet, out: TableWriter): void {
  const kinds = kindsByName(set)
  for (const record of records) buildRecord(record as PlainValues, set, kinds, out)
}

function buildRecord(record: PlainValues, set: RecordSet, kinds: KindsByName, out: TableWriter): void {
  const found = kinds.get(record.kind)
  if (found === undefined && record.kind !== 'unknown') {
    throw new TypeError(`${JSON.stringify(record.kind)} is no ${set.what}: ${[...kinds.keys()].join(', ')} or unknown`)
  }
  const { type: typeField, length: lengthField } = set.head.fields
  const type = found?.type ?? Number(record.type)
  if (!(Number.isInteger(type) && type >= 0 && type <= largest(typeField))) {
    throw new RangeError(`${set.what}.type: ${JSON.stringify(record.type)} does not fit`)
  }
  const at = out.length
  if (found === undefined) buildUnknown(record, set, out)
  else buildKnown(found.form, record, set, out)
  const size = out.length - at
  const { view } = out
  typeField.set(view, at, type)
  if (lengthField === undefined) {
    const told = lengthOf(set, view, at, size)
    if (told !== size) throw new RangeError(`${set.what} of type ${type}: takes ${told} bytes, got ${size}`)
  } else {
    if (size > largest(lengthField)) {
      throw new RangeError(`a ${set.what} of ${size} bytes: its length field ends at ${largest(lengthField)}`)
    }
    lengthField.set(view, at, size)
  }
}

/** What fits into a word of at most 32 bits. */
const largest = ({ size }: WordField): number => 0xffff_ffff >>> (32 - 8 * size)

function buildUnknown(record: PlainValues, set: RecordSet, out: TableWriter): void {
  const data = fromHex(String(record.data), `${set.what}.data`)
  const at = out.reserve(set.head.size)
  writeValues(set.head, out.view, at, record)
  out.put(data)
}

function buildKnown(form: RecordKind, record: PlainValues, set: RecordSet, out: TableWriter): void {
  if (isPlaced(form)) {
    out.put(buildPlaced(form, record))
    return
  }
  const { of, tail } = form
  const at = out.reserve(of.size)
  buildTail(tail, record, out)
  const tailSize = out.length - at - of.size
  if (record.trailing !== undefined) out.put(fromHex(String(record.trailing), `${set.what}.trailing`))
  writeValues(of, out.view, at, record, derivedValues(form, record, tailSize))
}

/** The fields whose values plain data has otherwise; undefined where there is none. */
function derivedValues(form: TailedForm, record: PlainValues, tailSize: number): PlainValues | undefined {
  const texts = textFields(form)
  if (texts.length === 0 && form.tail?.kind !== 'counted-text') return undefined
  const values: PlainValues = {}
  for (const name of texts) values[name] = paddedText(record[name], name, form)
  if (form.tail?.kind === 'counted-text') values[form.tail.count] = tailSize
  return values
}

function paddedText(value: unknown, name: string, form: Form): string {
  if (typeof value !== 'string') throw new TypeError(`${form.of.name}.${name}: takes text, got ${typeof value}`)
  const { size } = (form.of.fields as Record<string, { size: number }>)[name]!
  return toHex(fromText(value.padEnd(size, '\0'), `${form.of.name}.${name}`))
}

function buildTail(tail: Tail | undefined, record: PlainValues, out: TableWriter): void {
  switch (tail?.kind) {
    case 'records':
      buildRecords(listOf(record[tail.key], tail.key), tail.set, out)
      break
    case 'items': {
      const { of } = tail.form
      for (const item of listOf(record[tail.key], tail.key)) {
        const at = out.reserve(of.size)
        writeValues(of, out.view, at, item as PlainValues)
      }
      break
    }
    case 'text':
      out.put(fromText(String(record[tail.key]), tail.key))
      if (record.trailing !== '') out.reserve(1)
      break
    case 'counted-text':
      out.put(fromText(String(record[tail.key]), tail.key))
  }
}

/** For problems: `DRHD at 0x30`. */
export const recordAt = (record: { kind: string; offset?: number }): string =>
  `${record.kind} at ${hex(record.offset ?? 0)}`
