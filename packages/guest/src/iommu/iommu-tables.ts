import { parseDmar } from '@dmascope/acpi'
import { type AcpiTables, tryParse } from '../early/acpi-tables.ts'
import type { DmarSource } from './vtd/dmar-units.ts'

/** What firmware's tables say of IOMMUs, as discovery found it. A kind that none of them names is null or absent. */
export interface IommuTables {
  readonly dmar?: DmarSource | null
}

/** Parses the tables that name IOMMUs. One that cannot be parsed counts as absent, with a line in the log. */
export function readIommuTables(tables: AcpiTables, log: (line: string) => void): IommuTables {
  const found = tables.find('DMAR')
  const dmar = found && tryParse(() => parseDmar(found.bytes, { address: found.address }), log)
  return { dmar: found && dmar && { dmar, address: found.address, bytes: found.bytes } }
}
