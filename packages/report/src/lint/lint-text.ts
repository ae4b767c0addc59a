import { plural } from '../plural.ts'
import type { FindingLevel } from '../report.ts'
import { wrap } from '../views/columns.ts'
import { PLAIN, type Style } from '../views/style.ts'
import { KERNEL, type LintedTable, type LintReport, type LintReportFinding } from './lint-report.ts'

const WIDTH = 100
/** Bytes of a finding in one line. */
const BYTES_SHOWN = 8

/** The report for a person: by table, then by rule, with every place, what Linux does, and what to write instead. */
export function formatLintText(report: LintReport, style: Style = PLAIN): string {
  const lines = report.tables.flatMap((table) => tableLines(table, style))
  const { errors, warnings, notes } = report.summary
  const counts = [plural(errors, 'error'), plural(warnings, 'warning'), plural(notes, 'note')].join(', ')
  const against =
    report.topology === null
      ? ''
      : `, held against ${plural(report.topology.functions, 'function')} of ${report.topology.source}`
  lines.push(...wrap(`${counts} in ${plural(report.tables.length, 'table')}${against}.`, WIDTH, 2))
  return `${lines.join('\n')}\n`
}

function tableLines(table: LintedTable, style: Style): string[] {
  const { source, name, line, length, findings } = table
  const verdict = findings.length === 0 ? 'nothing found' : plural(findings.length, 'finding')
  const place = line === null ? source : `${source}:${line}`
  const lines = wrap(`${place}: ${name}, ${plural(length, 'byte')}: ${verdict}`, WIDTH, 2).map(style.bold)
  for (const group of groupsOf(findings)) lines.push(...groupLines(group, table, style))
  if (findings.length > 0) lines.push('')
  return lines
}

/** Findings of one rule together, in the order of the first of each. */
function groupsOf(findings: readonly LintReportFinding[]): LintReportFinding[][] {
  const groups = new Map<string, LintReportFinding[]>()
  for (const finding of findings) {
    const group = groups.get(finding.id)
    if (group === undefined) groups.set(finding.id, [finding])
    else group.push(finding)
  }
  return [...groups.values()]
}

const paintOf = (level: FindingLevel, style: Style) =>
  level === 'error' ? style.bad : level === 'warning' ? style.warn : style.dim

function groupLines(group: readonly LintReportFinding[], table: LintedTable, style: Style): string[] {
  const [{ id, level, title, kernel, fix }] = group as readonly [LintReportFinding]
  const head = `${id} ${level}: `
  const [first = '', ...rest] = wrap(head + title, WIDTH - 2, 2)
  const lines = [`  ${paintOf(level, style)(first.slice(0, head.length))}${style.bold(first.slice(head.length))}`]
  lines.push(...rest.map((line) => `  ${line}`))
  for (const finding of group) lines.push(...placeLines(finding, table, style))
  const advice = (label: string, text: string): void => {
    const [begin = '', ...more] = wrap(text, WIDTH - 4, 2)
    lines.push(`    ${style.bold(begin.slice(0, label.length))}${begin.slice(label.length)}`)
    lines.push(...more.map((line) => `    ${line}`))
  }
  advice(KERNEL, kernel)
  advice('Fix:', `Fix: ${fix}`)
  return lines
}

/** `0x0038  00 00 00 00 00 00 00 00  the DRHD at 0x30 ...`, or a node and property and a line below. */
function placeLines(finding: LintReportFinding, table: LintedTable, style: Style): string[] {
  const { offset, bytes, node, property, line, message } = finding
  const at = offset === null ? '' : `0x${offset.toString(16).padStart(4, '0')}`
  if (node !== null || line !== null) {
    const where = line !== null ? `${table.source}:${line}` : `${node}${property === null ? '' : ` ${property}`}`
    return [
      ...wrap(at === '' ? where : `${where}, ${at}`, WIDTH - 4, 2).map((text) => `    ${style.dim(text)}`),
      ...wrap(message, WIDTH - 6).map((text) => `      ${text}`),
    ]
  }
  const pairs = bytes.match(/../g) ?? []
  const shown = pairs.slice(0, BYTES_SHOWN).join(' ') + (finding.length > BYTES_SHOWN ? ' …' : '')
  const start = [at, shown].filter((part) => part !== '').join('  ')
  const [first = '', ...rest] = wrap(message, WIDTH - 6 - start.length)
  const indent = ' '.repeat(6 + start.length)
  return [`    ${style.dim(start)}  ${first}`, ...rest.map((text) => indent + text)]
}
