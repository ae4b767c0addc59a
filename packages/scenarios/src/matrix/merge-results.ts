import { DmascopeError } from '@dmascope/layout'
import type { CellResult } from '../cell/cell.ts'
import { compareCells } from './axes.ts'

/** Results, and where they came from. */
export interface ResultSource {
  readonly name: string
  readonly results: Iterable<CellResult>
}

/**
 * Puts parts of a matrix together, in the order of the axes, whatever order they come in.
 *
 * @throws DmascopeError MATRIX_CONFLICT where two say different things of one cell: a boot comes out the same each time
 */
export function mergeResults(sources: Iterable<ResultSource>): CellResult[] {
  const merged = new Map<string, { result: CellResult; from: string; text: string }>()
  for (const { name, results } of sources) {
    for (const result of results) {
      const text = JSON.stringify(result)
      const before = merged.get(result.cell)
      if (before === undefined) merged.set(result.cell, { result, from: name, text })
      else if (before.text !== text) {
        const files = before.from === name ? `${name} says` : `${before.from} and ${name} say`
        throw new DmascopeError(
          'MATRIX_CONFLICT',
          `${files} different things of ${result.cell}: they are of different builds; run one of them again`,
          { cell: result.cell, sources: [before.from, name] },
        )
      }
    }
  }
  return [...merged.values()].map(({ result }) => result).sort(compareCells)
}
