import { mergeResults, readResults } from '@dmascope/scenarios/matrix'
import { matrixFormat, printMatrix, printResult } from '../matrix/print-matrix.ts'
import { nameOf, readBytes } from '../sources/read-files.ts'
import { VERSION } from '../version.ts'

/** `dmascope matrix merge`. */
export async function merge(files: readonly string[], format: string): Promise<void> {
  const how = matrixFormat(format)
  const sources = []
  for (const file of files) {
    const name = nameOf(file)
    const { results, missing } = readResults(new TextDecoder().decode(await readBytes(file)), name, VERSION)
    if (missing > 0) console.error(`dmascope: note: ${name} was stopped: ${missing} of its cells were not run`)
    sources.push({ name, results })
  }
  const merged = mergeResults(sources)
  if (how !== 'jsonl') await printMatrix(merged, merged.length, how)
  else for (const result of merged) printResult(result)
}
