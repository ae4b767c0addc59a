import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import { RSDT_ENTRY, XSDT_ENTRY } from './spec/header.ts'
import type { U64 } from './values.ts'

/** The root table of ACPI 1.0: 32-bit physical addresses of the others. */
export interface Rsdt extends ParsedTable {
  signature: 'RSDT'
  entries: number[]
}

/** The root table since ACPI 2.0: 64-bit physical addresses of the others. */
export interface Xsdt extends ParsedTable {
  signature: 'XSDT'
  entries: U64[]
}

/** What the table is made up of. */
export const RSDT_SHAPE: TableShape = {
  signature: 'RSDT',
  list: { kind: 'values', key: 'entries', form: { of: RSDT_ENTRY } },
}
/** What the table is made up of. */
export const XSDT_SHAPE: TableShape = {
  signature: 'XSDT',
  list: { kind: 'values', key: 'entries', form: { of: XSDT_ENTRY } },
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseRsdt = (data: Uint8Array, at?: TableLocation): Rsdt & { problems: Problem[] } =>
  parseShaped(RSDT_SHAPE, data, at) as unknown as Rsdt & { problems: Problem[] }

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseXsdt = (data: Uint8Array, at?: TableLocation): Xsdt & { problems: Problem[] } =>
  parseShaped(XSDT_SHAPE, data, at) as unknown as Xsdt & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildRsdt = (table: Rsdt): Uint8Array => buildShaped(RSDT_SHAPE, table)

/** @throws TypeError, RangeError naming the field at fault */
export const buildXsdt = (table: Xsdt): Uint8Array => buildShaped(XSDT_SHAPE, table)

/** Every field with its byte offset. */
export const formatRsdt = (table: Rsdt): AnnotatedLine[] => formatShaped(RSDT_SHAPE, table)

/** Every field with its byte offset. */
export const formatXsdt = (table: Xsdt): AnnotatedLine[] => formatShaped(XSDT_SHAPE, table)
