import type { Cell, CellResult } from '../cell/cell.ts'
import { runCell } from '../cell/run-cell.ts'

/** Boots the cells one after another, in this thread. What is not taken is not booted. */
export function* runMatrix(cells: Iterable<Cell>): Generator<CellResult> {
  for (const cell of cells) yield runCell(cell)
}
