import { DmascopeError } from '@dmascope/layout'
import type { CellResult } from '@dmascope/scenarios'
import {
  formatMatrix,
  formatMatrixHtml,
  formatMatrixMarkdown,
  formatResultLine,
  matrixDocument,
} from '@dmascope/scenarios/matrix'
import { styleFor } from '../output/colours.ts'
import { isTerminal, print } from '../output/standard-output.ts'
import { VERSION } from '../version.ts'

const FORMATS = ['text', 'json', 'jsonl', 'markdown', 'html'] as const
export type MatrixFormat = (typeof FORMATS)[number]

/** @throws DmascopeError CLI_FORMAT */
export function matrixFormat(text: string): MatrixFormat {
  const found = FORMATS.find((one) => one === text)
  if (found !== undefined) return found
  throw new DmascopeError('CLI_FORMAT', `--format ${text}: a matrix is shown as ${FORMATS.join(', ')}`, { text })
}

/** Prints a matrix, or as much as there is of it. */
export async function printMatrix(
  results: readonly CellResult[],
  asked: number,
  format: Exclude<MatrixFormat, 'jsonl'>,
): Promise<void> {
  const document = matrixDocument(results, asked, VERSION)
  if (format === 'json') print(`${JSON.stringify(document, null, 1)}\n`)
  else if (format === 'markdown') print(formatMatrixMarkdown(document))
  else if (format === 'html') print(formatMatrixHtml(document))
  else print(formatMatrix(document, await styleFor(isTerminal(), process.env)))
}

export const printResult = (result: CellResult): void => print(formatResultLine(result, VERSION))
