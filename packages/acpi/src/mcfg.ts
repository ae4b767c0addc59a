import type { AnnotatedLine } from '@dmascope/layout'
import { ecamText } from './meanings.ts'
import { hex, type Problem, type TableLocation } from './problem.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import { MCFG, MCFG_ALLOCATION } from './spec/small-tables.ts'
import type { FieldValues } from './values.ts'

/** Memory-mapped configuration space of the buses `startBusNumber` to `endBusNumber` of a segment group. */
export interface McfgAllocation extends FieldValues<(typeof MCFG_ALLOCATION)['fields']> {
  /** Byte in the table; set when parsed, ignored when built. */
  offset?: number
}

export interface Mcfg extends ParsedTable, FieldValues<(typeof MCFG)['fields']> {
  signature: 'MCFG'
  allocations: McfgAllocation[]
}

const { baseAddress: BASE, startBusNumber: START } = MCFG_ALLOCATION.fields
const busesText = (end: number, _hi: number, view: DataView, base: number): string =>
  ecamText(BASE.lo.get(view, base), BASE.hi.get(view, base), START.get(view, base), end)

/** What the table is made up of. */
export const MCFG_SHAPE: TableShape = {
  signature: 'MCFG',
  body: { of: MCFG },
  list: { kind: 'items', key: 'allocations', form: { of: MCFG_ALLOCATION, meaning: { endBusNumber: busesText } } },
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export function parseMcfg(data: Uint8Array, at?: TableLocation): Mcfg & { problems: Problem[] } {
  const table = parseShaped(MCFG_SHAPE, data, at) as unknown as Mcfg & { problems: Problem[] }
  for (const { offset = 0, baseAddress, startBusNumber, endBusNumber } of table.allocations) {
    if (startBusNumber <= endBusNumber && Number(baseAddress) !== 0) continue
    const message = `buses ${hex(startBusNumber, 2)} to ${hex(endBusNumber, 2)} at ${hex(Number(baseAddress))}`
    table.problems.push({ code: 'MCFG_ALLOCATION', offset, message })
  }
  return table
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildMcfg = (table: Mcfg): Uint8Array => buildShaped(MCFG_SHAPE, table)

/** Every field with its byte offset. */
export const formatMcfg = (table: Mcfg): AnnotatedLine[] => formatShaped(MCFG_SHAPE, table)
