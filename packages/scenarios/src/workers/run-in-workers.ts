import { Worker } from 'node:worker_threads'
import type { Cell, CellResult } from '../cell/cell.ts'
import type { BatchOutcome, CellBatch } from './serve-cells.ts'

export interface WorkerOptions {
  /** Threads. */
  readonly jobs: number
  /** A program that calls `serveCells`, in JavaScript. The package's own where left out. */
  readonly file?: string | URL
  /** Its arguments. */
  readonly arguments?: readonly string[]
  /** Once aborted, no more results come. */
  readonly signal?: AbortSignal
}

/** Cells that a thread is sent at once. */
const BATCH = 8
/** Batches that a thread has, of which it works on one. */
const AHEAD = 2
/** Batches for each thread that may wait for an earlier one to be done. */
const WAITING = 8
/** MiB for new objects: what a boot makes dies with its machine, and is seldom copied where there is room for many. */
const YOUNG_MIB = 64

/**
 * Boots cells in threads; results come in the order of the cells, as they are taken. What is held in memory does not grow
 * with how many there are. Whoever stops taking ends the threads.
 *
 * @throws RangeError where `jobs` is no positive integer
 * @throws Error, when results are taken, where a boot or a thread failed, which is a fault of this program
 */
export function runInWorkers(cells: Iterable<Cell>, options: WorkerOptions): AsyncGenerator<CellResult> {
  const { jobs } = options
  if (!Number.isSafeInteger(jobs) || jobs < 1) throw new RangeError(`jobs is a positive integer, got ${jobs}`)
  return take(cells, options)
}

async function* take(cells: Iterable<Cell>, options: WorkerOptions): AsyncGenerator<CellResult> {
  const pool = new WorkerPool(cells, options)
  try {
    for (let results = await pool.next(); results !== null; results = await pool.next()) yield* results
  } finally {
    await pool.end()
  }
}

class WorkerPool {
  readonly #cells: Iterator<Cell>
  readonly #threads: Worker[]
  readonly #most: number
  readonly #signal: AbortSignal | undefined
  /** Batches that a thread has. */
  readonly #inFlight = new Map<Worker, number>()
  readonly #done = new Map<number, readonly CellResult[]>()
  readonly #onAbort = (): void => this.#wake()
  #sent = 0
  #taken = 0
  #failure: Error | null = null
  #ending = false
  #wake: () => void = () => {}

  constructor(cells: Iterable<Cell>, { jobs, file, arguments: argv = [], signal }: WorkerOptions) {
    this.#cells = cells[Symbol.iterator]()
    this.#most = jobs * WAITING
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort)
    const program = file ?? new URL('./thread.js', import.meta.url)
    this.#threads = Array.from({ length: jobs }, () => {
      const thread = new Worker(program, {
        argv: [...argv],
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
      })
      thread.on('message', (outcome: BatchOutcome) => this.#take(thread, outcome))
      thread.on('error', (error) => this.#fail(error))
      thread.on('exit', (code) => this.#fail(new Error(`a thread of the matrix ended with ${code}`)))
      return thread
    })
    for (let ahead = 0; ahead < AHEAD; ahead++) for (const thread of this.#threads) this.#feed(thread)
  }

  /** The next batch's results, in order; null at the end. */
  async next(): Promise<readonly CellResult[] | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      if (this.#signal?.aborted === true) return null
      const results = this.#done.get(this.#taken)
      if (results !== undefined) {
        this.#done.delete(this.#taken++)
        // Threads may have been kept waiting until somebody took this.
        for (const thread of this.#threads) if (this.#isIdle(thread)) this.#feed(thread)
        return results
      }
      if (this.#taken === this.#sent) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async end(): Promise<void> {
    this.#ending = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    await Promise.all(this.#threads.map((thread) => thread.terminate()))
  }

  #isIdle(thread: Worker): boolean {
    return (this.#inFlight.get(thread) ?? 0) < AHEAD
  }

  #feed(thread: Worker): void {
    if (this.#sent - this.#taken >= this.#most) return
    const cells: Cell[] = []
    while (cells.length < BATCH) {
      const { done, value } = this.#cells.next()
      if (done === true) break
      cells.push(value)
    }
    if (cells.length === 0) return
    this.#inFlight.set(thread, (this.#inFlight.get(thread) ?? 0) + 1)
    thread.postMessage({ batch: this.#sent++, cells } satisfies CellBatch)
  }

  #take(thread: Worker, outcome: BatchOutcome): void {
    this.#inFlight.set(thread, (this.#inFlight.get(thread) ?? 1) - 1)
    if ('failure' in outcome) {
      const { cell, stack } = outcome.failure
      this.#fail(new Error(`${cell}: ${stack}`))
      return
    }
    this.#done.set(outcome.batch, outcome.results)
    this.#feed(thread)
    this.#wake()
  }

  #fail(error: Error): void {
    if (this.#ending) return
    this.#failure ??= error
    this.#wake()
  }
}
