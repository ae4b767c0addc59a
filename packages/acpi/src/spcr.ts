import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import { ADDRESS_SPACE_ID } from './spec/header.ts'
import { SERIAL_INTERFACE, SPCR } from './spec/serial-ports.ts'
import type { FieldValues } from './values.ts'

type Values = FieldValues<(typeof SPCR)['fields']>
type Later = 'preciseBaudRate' | 'namespaceStringLength' | 'namespaceStringOffset'

/** The serial port that is the console. Of revision 4, the name of the device in the namespace is `trailing`. */
export interface Spcr extends ParsedTable, Omit<Values, Later>, Partial<Pick<Values, Later>> {
  signature: 'SPCR'
}

const FIRST_REVISION_WITH_NAME = 4
const BEFORE_NAME = SPCR.fields.preciseBaudRate.offset

/** What the table is made up of. */
export const SPCR_SHAPE: TableShape = {
  signature: 'SPCR',
  body: { of: SPCR, meaning: { interfaceType: SERIAL_INTERFACE, addressSpaceId: ADDRESS_SPACE_ID } },
  bodyMinimum: BEFORE_NAME,
  bodySize: (revision) => (revision < FIRST_REVISION_WITH_NAME ? BEFORE_NAME : SPCR.size),
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export function parseSpcr(data: Uint8Array, at?: TableLocation): Spcr & { problems: Problem[] } {
  const table = parseShaped(SPCR_SHAPE, data, at) as unknown as Spcr & { problems: Problem[] }
  // Bytes that two fields place are owned.
  if (table.namespaceStringLength !== undefined) {
    table.problems = table.problems.filter(({ code }) => code !== 'ACPI_TRAILING')
  }
  return table
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildSpcr = (table: Spcr): Uint8Array => buildShaped(SPCR_SHAPE, table)

/** Every field with its byte offset. */
export const formatSpcr = (table: Spcr): AnnotatedLine[] => formatShaped(SPCR_SHAPE, table)
