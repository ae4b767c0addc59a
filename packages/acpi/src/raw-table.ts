import type { AnnotatedLine } from '@dmascope/layout'
import { annotateRaw } from './annotate.ts'
import { fromHex, toHex } from './hex.ts'
import type { Problem, TableLocation } from './problem.ts'
import { closeTable, HEADER_SIZE, openTable, type ParsedTable } from './sdt-header.ts'
import { annotateHeader } from './shaped-table.ts'

/** A table whose content is kept as bytes: SRAT, SLIT, and whatever else has no parser of its own. */
export interface RawTable extends ParsedTable {
  /** Four characters. */
  signature: string
  /** What follows the header, as hexadecimal digits. */
  data: string
}

/** @throws DmascopeError `ACPI_TRUNCATED` */
export function parseRawTable(data: Uint8Array, at?: TableLocation): RawTable & { problems: Problem[] } {
  const { signature, header, end, beyond, problems } = openTable(data, undefined, at)
  const content = toHex(data.subarray(HEADER_SIZE, end))
  return { signature, header, data: content, ...(beyond !== undefined && { beyond }), problems }
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildRawTable = (table: RawTable): Uint8Array =>
  closeTable(table.signature, table, fromHex(table.data, `${table.signature}.data`))

/** The header's fields, then sixteen bytes a line. */
export function formatRawTable(table: RawTable): AnnotatedLine[] {
  const data = buildRawTable(table)
  const view = new DataView(data.buffer)
  return [...annotateHeader(view), ...annotateRaw('Data', view, HEADER_SIZE, data.length, 0)]
}
