import { pageOf } from '../findings/page-of.ts'
import type { FindingLevel } from '../report.ts'

/** What `dmascope lint` found: one JSON document, of which text and SARIF are views. */
export interface LintReport {
  readonly schemaVersion: 1
  readonly tool: { readonly name: 'dmascope'; readonly version: string }
  /** What the tables were held against; null without. */
  readonly topology: { readonly source: string; readonly functions: number } | null
  /** In the order given; a file may have several. */
  readonly tables: readonly LintedTable[]
  readonly summary: { readonly errors: number; readonly warnings: number; readonly notes: number }
}

/** A table or tree that was looked at. */
export interface LintedTable {
  /** The file, or `standard input`. */
  readonly source: string
  /** A signature such as `DMAR`, or `device tree`. */
  readonly name: string
  /** `raw`, `acpidump`, `iasl`, `dtb` or `dts`. */
  readonly form: string
  /** Of a text: the line that opens the table. */
  readonly line: number | null
  /** Bytes. */
  readonly length: number
  readonly findings: readonly LintReportFinding[]
}

export interface LintReportFinding {
  readonly id: string
  readonly level: FindingLevel
  readonly title: string
  /** Byte in the table; null in source text. */
  readonly offset: number | null
  /** Bytes that it is about, and they, as hexadecimal digits. */
  readonly length: number
  readonly bytes: string
  /** Of a device tree. */
  readonly node: string | null
  readonly property: string | null
  /** Of source text that cannot be read, from 1. */
  readonly line: number | null
  readonly message: string
  /** What Linux does with it, and which. */
  readonly kernel: string
  readonly fix: string
  /** Its page. */
  readonly help: string
}

/** A rule as the linters have it. */
export interface LintRuleText {
  readonly id: string
  readonly level: FindingLevel
  readonly title: string
  readonly why: string
  readonly kernel: string
  readonly fix: string
}

/** What a linter found, of ACPI tables or of trees. */
export interface LinterFinding {
  readonly rule: LintRuleText
  readonly offset: number | null
  readonly length: number
  readonly message: string
  readonly node?: string | null
  readonly property?: string | null
  readonly line?: number | null
}

/** The version that the rules' words about Linux are of. */
export const KERNEL = 'Linux 6.12'

/** A rule's words about Linux, with the version that they are of. */
export function kernelText(kernel: string): string {
  if (kernel.startsWith(KERNEL)) return kernel
  return kernel.startsWith('Linux ') ? `${KERNEL}${kernel.slice('Linux'.length)}` : `${KERNEL}: ${kernel}`
}

/** Bytes that a report shows of one finding. */
const MOST_SHOWN = 24

/** A finding with the bytes that it is about. `bytes`: the table, or a tree's blob. */
export function reportFinding(found: LinterFinding, bytes: Uint8Array): LintReportFinding {
  const { rule, offset, length, message, node = null, property = null, line = null } = found
  const shown = offset === null ? [] : bytes.subarray(offset, offset + Math.min(length, MOST_SHOWN))
  return {
    id: rule.id,
    level: rule.level,
    title: rule.title,
    offset,
    length,
    bytes: Array.from(shown, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    node,
    property,
    line,
    message,
    kernel: kernelText(rule.kernel),
    fix: rule.fix,
    help: pageOf(rule.id),
  }
}

export function lintReport(
  tables: readonly LintedTable[],
  topology: LintReport['topology'],
  version: string,
): LintReport {
  const count = (level: FindingLevel): number =>
    tables.reduce((sum, { findings }) => sum + findings.filter((one) => one.level === level).length, 0)
  const summary = { errors: count('error'), warnings: count('warning'), notes: count('note') }
  return { schemaVersion: 1, tool: { name: 'dmascope', version }, topology, tables, summary }
}
