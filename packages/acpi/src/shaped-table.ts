import type { AnnotatedLine } from '@dmascope/layout'
import { annotate, annotateRaw, type Form } from './annotate.ts'
import { annotateRecords } from './annotate-records.ts'
import { toHex } from './hex.ts'
import { annotateNodes, buildNodes, type NodeList, parseNodes } from './node-list.ts'
import { hex, type Problem, type TableLocation, tableError } from './problem.ts'
import { buildRecords, parseRecords, type RecordSet } from './records.ts'
import { finishTable, HEADER_SIZE, openTable, type ParsedTable, startTable } from './sdt-header.ts'
import { DESCRIPTION_HEADER } from './spec/header.ts'
import type { TableWriter } from './table-writer.ts'
import { growingSize, listOf, type PlainValues, readInto, readValues, writeGrowing, writeValues } from './values.ts'

/** What follows a table's fixed part. */
type List =
  | { readonly kind: 'records'; readonly key: string; readonly set: RecordSet }
  | { readonly kind: 'items'; readonly key: string; readonly form: Form }
  /** Equal structures of a single field, kept as that field's values. */
  | { readonly kind: 'values'; readonly key: string; readonly form: Form }
  | NodeList

/** How a table is made up: header, fixed part, list. From it follow its parser, builder and printer. */
export interface TableShape {
  readonly signature: string
  /** Absent where the list follows the header at once. */
  readonly body?: Form
  /** Bytes of the body that every revision has; absent: all. */
  readonly bodyMinimum?: number
  /** Most bytes of the body in a table of this revision, where later ones appended fields. */
  readonly bodySize?: (revision: number) => number
  readonly list?: List
}

const bytesText = (length: number): string => `${length} bytes`
const HEADER_FORM: Form = {
  of: DESCRIPTION_HEADER,
  meaning: { signature: 'text', length: bytesText, oemId: 'text', oemTableId: 'text', creatorId: 'text' },
}

/** A table as parsed by its shape. Tables' own types say what else it has. */
export type ShapedTable = ParsedTable & { signature: string; problems: Problem[] }

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export function parseShaped(shape: TableShape, data: Uint8Array, at?: TableLocation): ShapedTable & PlainValues {
  const { view, header, end, beyond, problems } = openTable(data, [shape.signature], at)
  const table: ShapedTable & PlainValues = { signature: shape.signature, header, problems }
  let rest = HEADER_SIZE
  if (shape.body !== undefined) {
    const { of } = shape.body
    checkBody(shape, end, at)
    readInto(table, of, view, HEADER_SIZE, bodyLimit(shape, header.revision, end))
    rest += shape.bodyMinimum === undefined ? of.size : growingSize(of, table)
  }
  if (shape.list !== undefined) rest = parseList(shape.list, view, rest, end, table)
  if (rest < end) {
    const left = data.subarray(rest, end)
    table.trailing = toHex(left)
    // Records and nodes have said themselves where they end; zeros are padding.
    if (shape.list?.kind !== 'records' && shape.list?.kind !== 'nodes' && left.some((byte) => byte !== 0)) {
      problems.push({ code: 'ACPI_TRAILING', offset: rest, message: `${end - rest} bytes belong to no field` })
    }
  }
  if (beyond !== undefined) table.beyond = beyond
  return table
}

/** @throws DmascopeError `ACPI_TRUNCATED` where a table that ends at `end` lacks fields that every revision has */
export function checkBody({ signature, body, bodyMinimum }: TableShape, end: number, at?: TableLocation): void {
  const needed = bodyMinimum ?? body?.of.size ?? 0
  if (end - HEADER_SIZE >= needed) return
  const message = `the table ends, but its fixed fields take ${hex(HEADER_SIZE + needed)} bytes`
  throw tableError('ACPI_TRUNCATED', signature, end, message, at)
}

function parseList(list: List, view: DataView, start: number, end: number, table: ShapedTable & PlainValues): number {
  if (list.kind === 'records') {
    const parsed = parseRecords(view, start, end, list.set, table.problems)
    table[list.key] = parsed.records
    return parsed.end
  }
  if (list.kind === 'nodes') return parseNodes(list, view, start, end, table)
  const { of } = list.form
  const count = Math.floor((end - start) / of.size)
  const items: unknown[] = []
  for (let index = 0; index < count; index++) {
    const offset = start + index * of.size
    items.push(list.kind === 'items' ? readInto({ offset }, of, view, offset) : readValues(of, view, offset).entry)
  }
  table[list.key] = items
  return start + count * of.size
}

/** @throws TypeError, RangeError naming the field at fault */
export function buildShaped(shape: TableShape, table: ParsedTable & object): Uint8Array {
  const values = table as PlainValues & ParsedTable
  const out = startTable()
  const { body, bodyMinimum, list } = shape
  if (body === undefined) {
    if (list !== undefined) buildList(list, values, out)
    return finishTable(shape.signature, table, out)
  }
  const { of } = body
  out.reserve(bodyMinimum === undefined ? of.size : Math.max(bodyMinimum, growingSize(of, values)))
  // The list comes before the fixed fields' values: of nodes, they have number and offset.
  const places = list === undefined ? undefined : buildList(list, values, out)
  if (bodyMinimum === undefined) writeValues(of, out.view, HEADER_SIZE, values, places)
  else writeGrowing(of, out.view, HEADER_SIZE, values)
  return finishTable(shape.signature, table, out)
}

/** Of nodes: what the fixed fields are to say of them. */
function buildList(list: List, values: PlainValues, out: TableWriter): PlainValues | undefined {
  if (list.kind === 'nodes') return buildNodes(list, values, out)
  const items = listOf(values[list.key], list.key)
  if (list.kind === 'records') buildRecords(items, list.set, out)
  else {
    const { of } = list.form
    for (const item of items) {
      const at = out.reserve(of.size)
      writeValues(of, out.view, at, list.kind === 'items' ? (item as PlainValues) : { entry: item })
    }
  }
  return undefined
}

/** The lines of the common header. */
export const annotateHeader = (view: DataView): AnnotatedLine[] => annotate(HEADER_FORM, view, 0, 0)

/** Every field of the table as it will be built, with its offset. */
export function formatShaped(shape: TableShape, table: ParsedTable & object): AnnotatedLine[] {
  const data = buildShaped(shape, table)
  const { view, end } = openTable(data, undefined)
  const lines = annotateHeader(view)
  let rest = HEADER_SIZE
  if (shape.body !== undefined) {
    const limit = bodyLimit(shape, table.header.revision, end)
    lines.push(...annotate(shape.body, view, HEADER_SIZE, 0, limit))
    rest += Math.min(shape.body.of.size, shape.bodyMinimum === undefined ? limit : wholeFields(shape.body, limit))
  }
  const { list } = shape
  if (list?.kind === 'records') {
    lines.push(...annotateRecords(view, rest, end, list.set, 1))
    rest = end
  } else if (list?.kind === 'nodes') {
    lines.push(...annotateNodes(list, view, rest, end, table as PlainValues))
    rest = end
  } else if (list !== undefined) {
    for (; rest + list.form.of.size <= end; rest += list.form.of.size) lines.push(...annotate(list.form, view, rest, 1))
  }
  lines.push(...annotateRaw('Trailing bytes', view, rest, end, 0))
  lines.push(...annotateRaw('Beyond the table', view, end, data.length, 0))
  return lines
}

const bodyLimit = ({ bodySize }: TableShape, revision: number, end: number): number =>
  Math.min(end - HEADER_SIZE, bodySize?.(revision) ?? Number.POSITIVE_INFINITY)

function wholeFields(form: Form, limit: number): number {
  let end = 0
  for (const any of Object.values(form.of.fields as Record<string, { offset: number; size: number }>)) {
    if (any.offset + any.size <= limit) end = any.offset + any.size
  }
  return end
}
