import { DmascopeError } from '@dmascope/layout'
import { printLine } from '../output/standard-output.ts'

/** `dmascope schema`. @throws DmascopeError CLI_SCHEMA */
export async function schema(what: string): Promise<void> {
  if (what === 'report') {
    const { reportJsonSchema } = await import('@dmascope/report/schema')
    printLine(JSON.stringify(reportJsonSchema(), null, 2))
    return
  }
  if (what === 'machine') {
    const { machineFileSchema } = await import('../sources/machine-file.ts')
    printLine(JSON.stringify(machineFileSchema(), null, 2))
    return
  }
  if (what === 'tables') {
    const { tablesSchema } = await import('../tables/document.ts')
    printLine(JSON.stringify(tablesSchema(), null, 2))
    return
  }
  if (what === 'lint') {
    const { lintReportJsonSchema } = await import('@dmascope/report/lint/schema')
    printLine(JSON.stringify(lintReportJsonSchema(), null, 2))
    return
  }
  if (what === 'matrix') {
    const { matrixJsonSchema } = await import('@dmascope/scenarios/matrix')
    printLine(JSON.stringify(matrixJsonSchema(), null, 2))
    return
  }
  throw new DmascopeError('CLI_SCHEMA', `there is no schema '${what}'; write report, machine, tables, lint or matrix`, {
    what,
  })
}
