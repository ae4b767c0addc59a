import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { DmascopeError } from '@dmascope/layout'
import type { CellResult } from '@dmascope/scenarios'
import { formatResultLine, readResults } from '@dmascope/scenarios/matrix'
import { fileError } from '../output/failure.ts'

/** A file of results, to which each is written when it comes, so that nothing is lost where the rest never comes. */
export interface KeptResults {
  /** What stood there, by cell. */
  readonly before: ReadonlyMap<string, CellResult>
  keep(result: CellResult): void
  close(): void
}

/**
 * Opens a file of results to go on with it, or begins one. Half a line at its end, where somebody was stopped, is cut off.
 *
 * @throws DmascopeError CLI_FILE, MATRIX_RESULTS, MATRIX_VERSION
 */
export function openKept(path: string, version: string): KeptResults {
  if (path === '-') {
    throw new DmascopeError('CLI_FILE', "--resume '-': results are kept in a file; name one", { option: '--resume' })
  }
  const text = existsSync(path) ? attempt(path, 'read', () => readFileSync(path, 'utf8')) : ''
  const { results, whole } = readResults(text, path, version)
  if (whole === null) {
    throw new DmascopeError(
      'MATRIX_RESULTS',
      `--resume ${path}: this is a whole document; give a file of lines (--format jsonl), or one that is not there yet`,
      { path },
    )
  }
  const file = attempt(path, 'write', () => {
    const opened = openSync(path, 'a')
    ftruncateSync(opened, Buffer.byteLength(text.slice(0, whole)))
    return opened
  })
  return {
    before: new Map(results.map((result) => [result.cell, result])),
    keep: (result) => {
      attempt(path, 'write', () => writeSync(file, formatResultLine(result, version)))
    },
    close: () => closeSync(file),
  }
}

function attempt<T>(path: string, doing: 'read' | 'write', act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw fileError(error, path, doing)
  }
}
