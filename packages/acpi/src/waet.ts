import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import { WAET, WAET_FLAGS } from './spec/small-tables.ts'
import type { FieldValues } from './values.ts'

export interface Waet extends ParsedTable, FieldValues<(typeof WAET)['fields']> {
  signature: 'WAET'
}

const SHAPE: TableShape = { signature: 'WAET', body: { of: WAET, meaning: { emulatedDeviceFlags: WAET_FLAGS } } }

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseWaet = (data: Uint8Array, at?: TableLocation): Waet & { problems: Problem[] } =>
  parseShaped(SHAPE, data, at) as unknown as Waet & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildWaet = (table: Waet): Uint8Array => buildShaped(SHAPE, table)

/** Every field with its byte offset. */
export const formatWaet = (table: Waet): AnnotatedLine[] => formatShaped(SHAPE, table)
