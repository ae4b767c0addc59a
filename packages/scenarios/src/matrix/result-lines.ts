import { DmascopeError } from '@dmascope/layout'
import { type CellResult, cellKey } from '../cell/cell.ts'
import { matrixDocumentSchema, resultLineSchema } from './schema.ts'

/** One result as a line of JSON. It bears the version, since another one's boots may come out otherwise. */
export const formatResultLine = (result: CellResult, version: string): string =>
  `${JSON.stringify({ dmascope: version, ...result })}\n`

/** What a file of results holds. */
export interface ReadResults {
  readonly results: readonly CellResult[]
  /**
   * Of lines: characters up to the end of the last whole one, which is less than there are where somebody was stopped
   * while writing. Null of a document.
   */
  readonly whole: number | null
  /** Of a document: cells that were asked for and not run. */
  readonly missing: number
}

/**
 * Reads results: lines of JSON, of which the last may have been cut off, or a document as `--format json` prints it.
 *
 * @param file - for messages
 * @throws DmascopeError MATRIX_RESULTS where it holds something else, MATRIX_VERSION where another version made it
 */
export function readResults(text: string, file: string, version: string): ReadResults {
  const document = parseJson(text)
  if (document !== undefined && !isLine(document)) return readDocument(document, file, version)
  const results: CellResult[] = []
  let start = 0
  for (let line = 1; start < text.length; line++) {
    const end = text.indexOf('\n', start)
    // Whoever was stopped while writing left half a line; its cell is booted again.
    if (end < 0) break
    if (end > start) results.push(readLine(text.slice(start, end), `${file}:${line}`, version))
    start = end + 1
  }
  if (results.length === 0 && start === 0 && !text.startsWith(OPENING) && !OPENING.startsWith(text)) {
    throw new DmascopeError('MATRIX_RESULTS', `${file}: holds no results; ${WRITE_INSTEAD}`, { file })
  }
  return { results, whole: start, missing: 0 }
}

/** How each line starts; half of one may be all that there is. */
const OPENING = '{"dmascope":'
const WRITE_INSTEAD = 'give what dmascope matrix prints with --format jsonl or json, or keeps with --resume'

const isLine = (value: unknown): boolean => typeof value === 'object' && value !== null && 'dmascope' in value

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function readLine(text: string, place: string, version: string): CellResult {
  const { success, data } = resultLineSchema.safeParse(parseJson(text))
  if (!success || data.cell !== cellKey(data as CellResult)) {
    throw new DmascopeError('MATRIX_RESULTS', `${place}: this is no result of a cell; ${WRITE_INSTEAD}`, { place })
  }
  const { dmascope, ...result } = data
  checkVersion(dmascope, place, version)
  return result as CellResult
}

function readDocument(value: unknown, file: string, version: string): ReadResults {
  const { success, data } = matrixDocumentSchema.safeParse(value)
  if (!success) {
    throw new DmascopeError('MATRIX_RESULTS', `${file}: this is no matrix; ${WRITE_INSTEAD}`, { file })
  }
  checkVersion(data.tool.version, file, version)
  const results = data.results as CellResult[]
  return { results, whole: null, missing: Math.max(data.asked - results.length, 0) }
}

function checkVersion(made: string, place: string, version: string): void {
  if (made === version) return
  throw new DmascopeError(
    'MATRIX_VERSION',
    `${place}: dmascope ${made} made this, and this is ${version}: its boots may come out otherwise; run these cells again`,
    { place, made, version },
  )
}
