import { DmascopeError } from '@dmascope/layout'
import { diffReports, type Report } from '@dmascope/report'
import { DONE, FAILED_ON } from '../exit.ts'
import { printLine } from '../output/standard-output.ts'
import { readText } from '../sources/load-source.ts'

/** `dmascope diff`. Answers the exit status: 1 where they differ. */
export function diff(a: string, b: string): number {
  const differences = diffReports(readReport(a), readReport(b))
  for (const line of differences) printLine(line)
  if (differences.length === 0) console.error('dmascope: the reports agree on every device')
  return differences.length === 0 ? DONE : FAILED_ON
}

function readReport(path: string): Report {
  const text = readText(path)
  try {
    const report = JSON.parse(text) as Partial<Report>
    if (report.schemaVersion === 1 && Array.isArray(report.devices)) return report as Report
  } catch (error) {
    throw new DmascopeError('CLI_REPORT', `${path} is no JSON: ${(error as Error).message}`, { path })
  }
  throw new DmascopeError(
    'CLI_REPORT',
    `${path} is no report of schema version 1; make one with: dmascope boot --format json`,
    { path },
  )
}
