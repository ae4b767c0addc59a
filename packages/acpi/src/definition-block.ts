import type { AnnotatedLine } from '@dmascope/layout'
import { annotateRaw } from './annotate.ts'
import { fromHex, toHex } from './hex.ts'
import type { Problem, TableLocation } from './problem.ts'
import { closeTable, HEADER_SIZE, openTable, type ParsedTable } from './sdt-header.ts'
import { annotateHeader } from './shaped-table.ts'

/** A table of AML: the one DSDT, or one of the SSDTs. */
export interface DefinitionBlock extends ParsedTable {
  signature: 'DSDT' | 'SSDT'
  /** Hexadecimal digits. */
  aml: string
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export function parseDefinitionBlock(data: Uint8Array, at?: TableLocation): DefinitionBlock & { problems: Problem[] } {
  const { signature, header, end, beyond, problems } = openTable(data, ['DSDT', 'SSDT'], at)
  return {
    signature: signature as 'DSDT' | 'SSDT',
    header,
    aml: toHex(data.subarray(HEADER_SIZE, end)),
    ...(beyond !== undefined && { beyond }),
    problems,
  }
}

/** Its AML as bytes, a view of `data`, and whether its integers have 64 bits. @throws as {@link parseDefinitionBlock} */
export function readAml(data: Uint8Array): { readonly wide: boolean; readonly aml: Uint8Array } {
  const { header, end } = openTable(data, ['DSDT', 'SSDT'])
  return { wide: header.revision >= 2, aml: data.subarray(HEADER_SIZE, end) }
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildDefinitionBlock = (table: DefinitionBlock): Uint8Array =>
  closeTable(table.signature, table, fromHex(table.aml, `${table.signature}.aml`))

/** The header's fields, then sixteen bytes of AML a line. */
export function formatDefinitionBlock(table: DefinitionBlock): AnnotatedLine[] {
  const data = buildDefinitionBlock(table)
  const view = new DataView(data.buffer)
  return [...annotateHeader(view), ...annotateRaw('AML', view, HEADER_SIZE, data.length, 0)]
}
