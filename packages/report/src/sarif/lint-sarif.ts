import type { LintedTable, LintReport, LintReportFinding, LintRuleText } from '../lint/lint-report.ts'
import { type ResultText, type SarifLog, type SarifRegion, sarifLog } from './sarif-log.ts'

/** A name that no file has. */
const STANDARD_INPUT = 'standard input'
const fileOf = ({ source }: LintedTable): string | null => (source === STANDARD_INPUT ? null : source)

/**
 * What lint found, as SARIF 2.1.0. In a raw table or a blob a region is bytes; in a text, where the table starts.
 *
 * @param rules - of the linters: what stands in `fullDescription` and `help`
 */
export function lintSarif(report: LintReport, rules: readonly LintRuleText[]): SarifLog {
  const texts = new Map(rules.map((rule) => [rule.id, rule]))
  const results = report.tables.flatMap((table) => table.findings.map((one) => resultOf(one, table, texts)))
  const files = report.tables.flatMap((table) => fileOf(table) ?? [])
  return sarifLog(results, [...new Set(files)], report.tool.version)
}

function resultOf(
  { id, level, title, message, offset, length, node, property, line, kernel, fix }: LintReportFinding,
  table: LintedTable,
  texts: ReadonlyMap<string, LintRuleText>,
): ResultText {
  const why = texts.get(id)?.why
  const help = `${kernel}\nFix: ${fix}`
  const region = regionOf(offset, length, line, table)
  const at = offset === null ? '' : `+0x${offset.toString(16)}`
  const logical =
    node !== null
      ? { name: property === null ? node : `${node}:${property}`, kind: property === null ? 'object' : 'property' }
      : { name: table.name + at, kind: 'object' }
  return {
    rule: { id, level, title, ...(why !== undefined && { why }), help },
    level,
    message: `${title}: ${message}.`,
    file: fileOf(table),
    ...(region !== undefined && { region }),
    logical,
  }
}

function regionOf(
  offset: number | null,
  length: number,
  line: number | null,
  { form, line: start }: LintedTable,
): SarifRegion | undefined {
  if (line !== null) return { startLine: line }
  if (form === 'raw' || form === 'dtb') return offset === null ? undefined : { byteOffset: offset, byteLength: length }
  return start === null ? undefined : { startLine: start }
}
