import { DmascopeError } from '@dmascope/layout'
import { formatLintText, type LintReport, lintReport } from '@dmascope/report/lint'
import { DONE, FAILED_ON } from '../exit.ts'
import { LINT_RULES, lintItems } from '../lint/lint-items.ts'
import { styleFor } from '../output/colours.ts'
import { writeJson } from '../output/json-text.ts'
import { isTerminal, print } from '../output/standard-output.ts'
import { nameOf, readItems } from '../sources/read-files.ts'
import { readTopology } from '../sources/topology.ts'
import { VERSION } from '../version.ts'

export interface LintFlags {
  readonly topology?: string
  readonly format: 'text' | 'json' | 'sarif'
  readonly failOn?: 'error' | 'warning'
}

/** `dmascope lint`. Answers the exit status. @throws DmascopeError CLI_FILE, INPUT_*, TOPOLOGY_* */
export async function lint(files: readonly string[], { topology: path, format, failOn }: LintFlags): Promise<number> {
  if (path === '-' && files.includes('-')) {
    throw new DmascopeError('CLI_FILE', 'standard input is both the tables and the topology; give one as a file', {})
  }
  const topology = path === undefined ? undefined : await readTopology(path)
  const against =
    path === undefined || topology === undefined ? null : { source: nameOf(path), functions: topology.functions.length }
  const report = lintReport(lintItems(await readItems(files), topology), against, VERSION)
  if (format === 'json') writeJson(report, print)
  else if (format === 'sarif') {
    const { lintSarif } = await import('@dmascope/report/sarif')
    writeJson(lintSarif(report, LINT_RULES), print)
  } else print(formatLintText(report, await styleFor(isTerminal(), process.env)))
  return fails(report, failOn) ? FAILED_ON : DONE
}

const fails = ({ summary }: LintReport, level: LintFlags['failOn']): boolean =>
  level !== undefined && (summary.errors > 0 || (level === 'warning' && summary.warnings > 0))
