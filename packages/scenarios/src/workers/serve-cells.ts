import { parentPort } from 'node:worker_threads'
import type { Cell, CellResult } from '../cell/cell.ts'
import { cellKey } from '../cell/cell.ts'
import { runCell } from '../cell/run-cell.ts'

/** Cells for a thread to boot, one after another. */
export interface CellBatch {
  readonly batch: number
  readonly cells: readonly Cell[]
}

/** What came of them. A failure is a fault of this program, not of a guest. */
export type BatchOutcome =
  | { readonly batch: number; readonly results: readonly CellResult[] }
  | { readonly batch: number; readonly failure: { readonly cell: string; readonly stack: string } }

/**
 * Makes the thread that calls it boot cells for `runInWorkers` in the thread that started it.
 *
 * @returns false in a thread that nobody started for that, which then goes on as it would
 */
export function serveCells(): boolean {
  const port = parentPort
  if (port === null) return false
  port.on('message', (message: CellBatch) => port.postMessage(outcomeOf(message)))
  return true
}

function outcomeOf({ batch, cells }: CellBatch): BatchOutcome {
  const results: CellResult[] = []
  for (const cell of cells) {
    try {
      results.push(runCell(cell))
    } catch (error) {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      return { batch, failure: { cell: cellKey(cell), stack } }
    }
  }
  return { batch, results }
}
