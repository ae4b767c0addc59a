import { DmascopeError } from '@dmascope/layout'
import { parseDmar } from '../dmar.ts'
import { parseIort } from '../iort.ts'
import { parseIvrs } from '../ivrs.ts'
import { type Madt, parseMadt } from '../madt.ts'
import { parseMcfg } from '../mcfg.ts'
import { openTable, tableSignature } from '../sdt-header.ts'
import type { TextProblem } from '../text/found-table.ts'
import { parseViot } from '../viot.ts'
import { DMAR_RULES } from './dmar-rules.ts'
import { DMAR_SCOPE_RULES } from './dmar-scope-rules.ts'
import { formFindings } from './form.ts'
import { ACPI_RULES } from './general-rules.ts'
import { IORT_RULES } from './iort-rules.ts'
import { IVRS_RULES } from './ivrs-rules.ts'
import { lintDmar } from './lint-dmar.ts'
import { lintDmarTopology } from './lint-dmar-topology.ts'
import { lintIort } from './lint-iort.ts'
import { lintIortTopology } from './lint-iort-topology.ts'
import { lintIvrs } from './lint-ivrs.ts'
import { lintIvrsTopology } from './lint-ivrs-topology.ts'
import { lintDmarWithMadt, lintIortWithMadt, lintIvrsWithMadt } from './lint-machine.ts'
import { lintMadt } from './lint-madt.ts'
import { lintMcfg, lintMcfgTopology } from './lint-mcfg.ts'
import { lintViot, lintViotTopology } from './lint-viot.ts'
import { MADT_RULES } from './madt-rules.ts'
import { MCFG_RULES } from './mcfg-rules.ts'
import type { LintFinding, LintLevel, LintRule } from './rule.ts'
import { type PciTopology, TopologyIndex } from './topology.ts'
import { VIOT_RULES } from './viot-rules.ts'

/** Every rule for ACPI tables, by family and number. */
export const ACPI_LINT_RULES: readonly LintRule[] = [
  ACPI_RULES,
  DMAR_RULES,
  DMAR_SCOPE_RULES,
  IVRS_RULES,
  IORT_RULES,
  VIOT_RULES,
  MCFG_RULES,
  MADT_RULES,
].flatMap((family) => Object.values(family) as LintRule[])

/** What else is known of the machine that a table is of. */
export interface LintContext {
  readonly topology?: PciTopology
  /** The MADT of the same machine, as bytes. */
  readonly madt?: Uint8Array
}

interface Setting {
  readonly bytes: Uint8Array
  readonly topology: TopologyIndex | null
  readonly madt: Madt | null
}

interface TableLinter {
  readonly cutShort: LintRule
  lint(setting: Setting): Generator<LintFinding>
}

const LINTERS: Readonly<Record<string, TableLinter>> = {
  DMAR: {
    cutShort: DMAR_RULES.cutShort,
    *lint({ bytes, topology, madt }) {
      const table = parseDmar(bytes)
      yield* lintDmar(bytes, table)
      if (topology !== null) yield* lintDmarTopology(table, topology)
      if (madt !== null) yield* lintDmarWithMadt(table, madt)
    },
  },
  IVRS: {
    cutShort: IVRS_RULES.cutShort,
    *lint({ bytes, topology, madt }) {
      const table = parseIvrs(bytes)
      yield* lintIvrs(bytes, table)
      if (topology !== null) yield* lintIvrsTopology(table, topology)
      if (madt !== null) yield* lintIvrsWithMadt(table, madt)
    },
  },
  IORT: {
    cutShort: IORT_RULES.cutShort,
    *lint({ bytes, topology, madt }) {
      const table = parseIort(bytes)
      yield* lintIort(bytes, table)
      if (topology !== null) yield* lintIortTopology(table, topology)
      if (madt !== null) yield* lintIortWithMadt(table, madt)
    },
  },
  VIOT: {
    cutShort: VIOT_RULES.cutShort,
    *lint({ bytes, topology }) {
      const table = parseViot(bytes)
      yield* lintViot(bytes, table)
      if (topology !== null) yield* lintViotTopology(table, topology)
    },
  },
  MCFG: {
    cutShort: MCFG_RULES.cutShort,
    *lint({ bytes, topology }) {
      const table = parseMcfg(bytes)
      yield* lintMcfg(bytes, table)
      if (topology !== null) yield* lintMcfgTopology(table, topology)
    },
  },
  APIC: {
    cutShort: MADT_RULES.cutShort,
    *lint({ bytes }) {
      yield* lintMadt(bytes, parseMadt(bytes))
    },
  },
}

const RANK: Readonly<Record<LintLevel, number>> = { error: 0, warning: 1, note: 2 }

/**
 * What is wrong with an ACPI table: the gravest first, then by byte offset. Damage never throws: a table that cannot be
 * read wholly is told of as far as it goes. Tables other than DMAR, IVRS, IORT, VIOT, MCFG and MADT have length and
 * checksum looked at.
 *
 * @param bytes - the table, from its signature on
 */
export function lintTable(bytes: Uint8Array, context: LintContext = {}): LintFinding[] {
  const found: LintFinding[] = []
  const signature = tableSignature(bytes)
  const linter = Object.hasOwn(LINTERS, signature) ? LINTERS[signature]! : null
  const setting: Setting = {
    bytes,
    topology: context.topology === undefined ? null : new TopologyIndex(context.topology),
    madt: context.madt === undefined ? null : readMadt(context.madt),
  }
  try {
    if (linter !== null) for (const finding of linter.lint(setting)) found.push(finding)
    else if (signature !== 'FACS' && !signature.startsWith('RSD ')) lintHeader(bytes, found)
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    // The parser gives up where even the fixed fields are not there.
    const length = bytes.length
    if (length < 36) {
      const message = `there are ${length} bytes, and a header takes 36`
      found.push({ rule: ACPI_RULES.tooShort, offset: 0, length, message })
    } else {
      lintHeader(bytes, found)
      const end = Math.min(length, Math.max(36, new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true)))
      const message = `the table ends at 0x${end.toString(16)}, within its fixed fields`
      found.push({ rule: linter?.cutShort ?? ACPI_RULES.tooShort, offset: 4, length: 4, message })
    }
  }
  return found.sort((a, b) => RANK[a.rule.level] - RANK[b.rule.level] || a.offset - b.offset)
}

/** A finding about the text that a table was read from. */
export interface TextFinding extends Omit<LintFinding, 'offset'> {
  readonly offset: null
  /** From 1. */
  readonly line: number
}

/** What was wrong with the text of acpidump or iasl that a table was read from. */
export const lintText = (problems: readonly TextProblem[]): TextFinding[] =>
  problems.map(({ line, message }) => ({ rule: ACPI_RULES.text, offset: null, length: 0, line, message }))

/** Length and checksum alone. */
function lintHeader(bytes: Uint8Array, found: LintFinding[]): void {
  const { problems } = openTable(bytes, undefined)
  for (const finding of formFindings(bytes, problems, [], { outer: {} })) found.push(finding)
}

function readMadt(bytes: Uint8Array): Madt | null {
  try {
    return parseMadt(bytes)
  } catch (error) {
    // It is linted by itself, and says so there.
    if (error instanceof DmascopeError) return null
    throw error
  }
}
