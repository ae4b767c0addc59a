import type { AnnotatedLine } from '@dmascope/layout'
import { printLines } from './annotate.ts'
import { buildDbg2, type Dbg2, formatDbg2, parseDbg2 } from './dbg2.ts'
import {
  buildDefinitionBlock,
  type DefinitionBlock,
  formatDefinitionBlock,
  parseDefinitionBlock,
} from './definition-block.ts'
import { buildDmar, type Dmar, formatDmar, parseDmar } from './dmar.ts'
import { buildFacs, type Facs, formatFacs, parseFacs } from './facs.ts'
import { buildFadt, type Fadt, formatFadt, parseFadt } from './fadt.ts'
import { buildGtdt, formatGtdt, type Gtdt, parseGtdt } from './gtdt.ts'
import { buildHpet, formatHpet, type Hpet, parseHpet } from './hpet.ts'
import { buildIort, formatIort, type Iort, parseIort } from './iort.ts'
import { buildIvrs, formatIvrs, type Ivrs, parseIvrs } from './ivrs.ts'
import { buildMadt, formatMadt, type Madt, parseMadt } from './madt.ts'
import { buildMcfg, formatMcfg, type Mcfg, parseMcfg } from './mcfg.ts'
import { buildPptt, formatPptt, type Pptt, parsePptt } from './pptt.ts'
import type { Problem, TableLocation } from './problem.ts'
import { buildRawTable, formatRawTable, parseRawTable, type RawTable } from './raw-table.ts'
import {
  buildRsdt,
  buildXsdt,
  formatRsdt,
  formatXsdt,
  parseRsdt,
  parseXsdt,
  type Rsdt,
  type Xsdt,
} from './root-tables.ts'
import { buildRsdp, formatRsdp, parseRsdp, type Rsdp } from './rsdp.ts'
import { tableSignature } from './sdt-header.ts'
import { buildSpcr, formatSpcr, parseSpcr, type Spcr } from './spcr.ts'
import { buildViot, formatViot, parseViot, type Viot } from './viot.ts'
import { buildWaet, formatWaet, parseWaet, type Waet } from './waet.ts'

/** The tables with a parser of their own, told apart by `signature`. */
export type KnownTable =
  | Rsdp
  | Rsdt
  | Xsdt
  | Fadt
  | Facs
  | Madt
  | Mcfg
  | Hpet
  | Waet
  | Dmar
  | Ivrs
  | Iort
  | Viot
  | Gtdt
  | Pptt
  | Spcr
  | Dbg2
  | DefinitionBlock
export type AcpiTable = KnownTable | RawTable

interface TableKind {
  parse(data: Uint8Array, at?: TableLocation): AcpiTable & { problems: Problem[] }
  build(table: never): Uint8Array
  format(table: never): AnnotatedLine[]
}

const DEFINITION: TableKind = {
  parse: parseDefinitionBlock,
  build: buildDefinitionBlock,
  format: formatDefinitionBlock,
}
const RAW: TableKind = { parse: parseRawTable, build: buildRawTable, format: formatRawTable }
const KINDS: Readonly<Record<string, TableKind>> = {
  'RSD PTR ': { parse: parseRsdp, build: buildRsdp, format: formatRsdp },
  RSDT: { parse: parseRsdt, build: buildRsdt, format: formatRsdt },
  XSDT: { parse: parseXsdt, build: buildXsdt, format: formatXsdt },
  FACP: { parse: parseFadt, build: buildFadt, format: formatFadt },
  FACS: { parse: parseFacs, build: buildFacs, format: formatFacs },
  APIC: { parse: parseMadt, build: buildMadt, format: formatMadt },
  MCFG: { parse: parseMcfg, build: buildMcfg, format: formatMcfg },
  HPET: { parse: parseHpet, build: buildHpet, format: formatHpet },
  WAET: { parse: parseWaet, build: buildWaet, format: formatWaet },
  DMAR: { parse: parseDmar, build: buildDmar, format: formatDmar },
  IVRS: { parse: parseIvrs, build: buildIvrs, format: formatIvrs },
  IORT: { parse: parseIort, build: buildIort, format: formatIort },
  VIOT: { parse: parseViot, build: buildViot, format: formatViot },
  GTDT: { parse: parseGtdt, build: buildGtdt, format: formatGtdt },
  PPTT: { parse: parsePptt, build: buildPptt, format: formatPptt },
  SPCR: { parse: parseSpcr, build: buildSpcr, format: formatSpcr },
  DBG2: { parse: parseDbg2, build: buildDbg2, format: formatDbg2 },
  DSDT: DEFINITION,
  SSDT: DEFINITION,
}

const kindOf = (signature: string): TableKind => (Object.hasOwn(KINDS, signature) ? KINDS[signature]! : RAW)

/**
 * Reads any table by its signature; one without a parser of its own becomes a `RawTable`.
 *
 * @throws DmascopeError `ACPI_TRUNCATED` where the bytes end before the table's fixed fields
 */
export function parseTable(data: Uint8Array, at?: TableLocation): AcpiTable & { problems: Problem[] } {
  const signature = tableSignature(data)
  return kindOf(signature === 'RSD ' ? 'RSD PTR ' : signature).parse(data, at)
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildTable = (table: AcpiTable): Uint8Array => kindOf(table.signature).build(table as never)

/** Every field of the table as it will be built: where, which bytes, what they mean. */
export const formatTable = (table: AcpiTable): AnnotatedLine[] => kindOf(table.signature).format(table as never)

/** The same as text, one line a field. `address` is added to the offsets. */
export const printTable = (table: AcpiTable, address?: number): string => printLines(formatTable(table), address)
