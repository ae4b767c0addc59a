import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import { WAET, WAET_FLAGS } from './spec/small-tables.ts'
import type { FieldValues } from './values.ts'

export interface Waet extends ParsedTable, FieldValues<(typeof WAET)['fields']> {
  signature: 'WAET'
}

/** What the table is made up of. */
export const WAET_SHAPE: TableShape = {
  signature: 'WAET',
  body: { of: WAET, meaning: { emulatedDeviceFlags: WAET_FLAGS } },
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseWaet = (data: Uint8Array, at?: TableLocation): Waet & { problems: Problem[] } =>
  parseShaped(WAET_SHAPE, data, at) as unknown as Waet & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildWaet = (table: Waet): Uint8Array => buildShaped(WAET_SHAPE, table)

/** Every field with its byte offset. */
export const formatWaet = (table: Waet): AnnotatedLine[] => formatShaped(WAET_SHAPE, table)
