import { availableParallelism } from 'node:os'
import { DmascopeError } from '@dmascope/layout'
import type { Cell, CellResult } from '@dmascope/scenarios'
import { cellKey, parseCell } from '@dmascope/scenarios'
import {
  cellsOf,
  type MatrixAxes,
  mergeResults,
  parseShard,
  readAxes,
  shardOf,
  splitWords,
} from '@dmascope/scenarios/matrix'
import { runInWorkers } from '@dmascope/scenarios/workers'
import { DONE, INTERRUPTED } from '../exit.ts'
import { type KeptResults, openKept } from '../matrix/kept-results.ts'
import { type MatrixFormat, matrixFormat, printMatrix, printResult } from '../matrix/print-matrix.ts'
import { SERVE_CELLS } from '../matrix/serve-argument.ts'
import { NO_PROGRESS, showProgress } from '../output/progress.ts'
import { VERSION } from '../version.ts'
import { type BootFlags, boot } from './boot.ts'

export interface MatrixFlags {
  readonly guest?: readonly string[]
  readonly hypervisor?: readonly string[]
  readonly platform?: readonly string[]
  readonly iommu?: readonly string[]
  readonly device?: readonly string[]
  readonly axes?: boolean
  readonly shard?: string
  readonly resume?: string
  readonly jobs?: string
  readonly format: string
  readonly cell?: string
  readonly why?: string
}

/** `dmascope matrix`. Answers the exit status. */
export async function matrix(flags: MatrixFlags): Promise<number> {
  if (flags.axes === true) {
    const { printAxes } = await import('../matrix/print-axes.ts')
    printAxes(flags.format === 'json')
    return DONE
  }
  if (flags.cell !== undefined) return await bootOne(flags.cell, flags)
  if (flags.why !== undefined) {
    throw new DmascopeError('CLI_USAGE', '--why is of one cell: name it by --cell', { option: '--why' })
  }
  const format = matrixFormat(flags.format)
  const jobs = jobsOf(flags.jobs)
  const cells = selected(flags)
  let asked = 0
  for (const _ of cells()) asked++
  if (asked === 0) {
    throw new DmascopeError('CLI_NO_CELL', 'no cell is of all these; see: dmascope matrix --axes', {})
  }
  const kept = flags.resume === undefined ? null : openKept(flags.resume, VERSION)
  try {
    return await run(cells, asked, kept, format, jobs)
  } finally {
    kept?.close()
  }
}

/** The cells that were asked for, as often as they are wanted: there may be more than memory should hold. */
function selected(flags: MatrixFlags): () => Iterable<Cell> {
  const words = (of: readonly string[] | undefined): readonly string[] | undefined => of?.flatMap(splitWords)
  const axes: MatrixAxes = readAxes({
    guests: words(flags.guest),
    hypervisors: words(flags.hypervisor),
    platforms: words(flags.platform),
    iommu: words(flags.iommu),
    devices: words(flags.device),
  })
  if (flags.shard === undefined) return () => cellsOf(axes)
  const shard = parseShard(flags.shard)
  return () => shardOf(cellsOf(axes), shard)
}

async function run(
  cells: () => Iterable<Cell>,
  asked: number,
  kept: KeptResults | null,
  format: MatrixFormat,
  jobs: number,
): Promise<number> {
  const before = kept?.before ?? new Map<string, CellResult>()
  const results: CellResult[] = []
  const show = (result: CellResult): void => {
    if (format === 'jsonl') printResult(result)
    else results.push(result)
  }
  let done = 0
  for (const cell of cells()) {
    const result = before.get(cellKey(cell))
    if (result === undefined) continue
    show(result)
    done++
  }
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  // Once: whoever asks again is not kept waiting.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const linesShowIt = format === 'jsonl' && process.stdout.isTTY === true
  const progress = linesShowIt ? NO_PROGRESS : showProgress('matrix', asked - done)
  try {
    const left = without(cells(), before)
    const threads = {
      jobs: Math.min(jobs, Math.max(asked - done, 1)),
      file: String(process.argv[1]),
      arguments: [SERVE_CELLS],
      signal: stop.signal,
    }
    if (done < asked) {
      for await (const result of runInWorkers(left, threads)) {
        kept?.keep(result)
        show(result)
        done++
        progress.advance()
      }
    }
  } finally {
    progress.end()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal)
  }
  if (format !== 'jsonl') await printMatrix(mergeResults([{ name: 'this run', results }]), asked, format)
  if (done === asked) return DONE
  const advice = kept === null ? '' : '; the same command goes on from there'
  console.error(`dmascope: stopped after ${done} of ${asked} cells${advice}`)
  return INTERRUPTED
}

function* without(cells: Iterable<Cell>, before: ReadonlyMap<string, CellResult>): Generator<Cell> {
  for (const cell of cells) if (!before.has(cellKey(cell))) yield cell
}

/** The boot's full report, or all reasons of one device. */
async function bootOne(key: string, { format, why }: MatrixFlags): Promise<number> {
  const formats: readonly BootFlags['format'][] = ['text', 'json', 'markdown', 'sarif']
  const found = formats.find((one) => one === format)
  if (found === undefined) {
    throw new DmascopeError('CLI_FORMAT', `--format ${format}: a cell is shown as ${formats.join(', ')}`, { format })
  }
  return await boot(cellKey(parseCell(key)), null, { format: found, ...(why !== undefined && { why }) })
}

function jobsOf(text: string | undefined): number {
  if (text === undefined) return availableParallelism()
  const jobs = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (jobs > 0) return jobs
  throw new DmascopeError('CLI_USAGE', `--jobs ${text}: write how many threads to use, such as 4`, { text })
}
