import type { CellResult } from '../cell/cell.ts'

/** A matrix, or as much of it as was run: what views show. */
export interface MatrixDocument {
  readonly schemaVersion: 1
  readonly tool: { readonly name: 'dmascope'; readonly version: string }
  /** Cells that were asked for. */
  readonly asked: number
  /** In the order of the axes. */
  readonly results: readonly CellResult[]
}

export const matrixDocument = (results: readonly CellResult[], asked: number, version: string): MatrixDocument => ({
  schemaVersion: 1,
  tool: { name: 'dmascope', version },
  asked,
  results,
})
