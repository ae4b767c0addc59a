import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import { ADDRESS_SPACE_ID } from './spec/header.ts'
import { HPET, HPET_EVENT_TIMER_BLOCK_ID } from './spec/small-tables.ts'
import type { FieldValues } from './values.ts'

export interface Hpet extends ParsedTable, FieldValues<(typeof HPET)['fields']> {
  signature: 'HPET'
}

/** What the table is made up of. */
export const HPET_SHAPE: TableShape = {
  signature: 'HPET',
  body: { of: HPET, meaning: { eventTimerBlockId: HPET_EVENT_TIMER_BLOCK_ID, addressSpaceId: ADDRESS_SPACE_ID } },
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseHpet = (data: Uint8Array, at?: TableLocation): Hpet & { problems: Problem[] } =>
  parseShaped(HPET_SHAPE, data, at) as unknown as Hpet & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildHpet = (table: Hpet): Uint8Array => buildShaped(HPET_SHAPE, table)

/** Every field with its byte offset. */
export const formatHpet = (table: Hpet): AnnotatedLine[] => formatShaped(HPET_SHAPE, table)
