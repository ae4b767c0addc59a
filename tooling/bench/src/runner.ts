/**
 * One thing to measure. `run` does a batch of the work and answers how many operations that was; it checks its own
 * results and throws where they are wrong, so that no wrong answer is ever fast.
 */
export interface BenchCase {
  /** `vq/direct/3/A/dev`; the same work done otherwise stands before it: `floor/vq/direct/3/A/dev`. */
  readonly id: string
  /** Operations per CPU-second that the case ought to reach on a machine of the reference class. */
  readonly target?: number
  /** What the rate ought to be at least, as a part of the same work's under this reference. */
  readonly leastOf?: { readonly reference: string; readonly ratio: number }
  /** Called once, before the warm-up. */
  prepare(): () => number
}

export interface BenchResult {
  readonly id: string
  /** Operations per CPU-second: the median of the rounds. */
  readonly ops: number
  readonly rounds: readonly number[]
  readonly target?: number
  readonly leastOf?: BenchCase['leastOf']
}

export interface RunOptions {
  readonly rounds: number
  /** CPU-seconds that each case runs in a round, and before the first. */
  readonly seconds: number
  readonly warmUpSeconds: number
}

/**
 * For plain code that is compared with a class: makes it twice, and works with both. Of a function that was made once
 * V8 compiles everything around it in as constants, which no code has that serves more than one queue or port.
 */
export function reusable(prepare: () => () => number): () => number {
  prepare()()
  return prepare()
}

export const DEFAULT_OPTIONS: RunOptions = { rounds: 5, seconds: 0.1, warmUpSeconds: 0.3 }

/** User and system time of the whole process, so that the JIT's and the collector's threads count. */
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Runs for at least `seconds` of CPU time; answers operations per CPU-second. */
function measure(run: () => number, seconds: number): number {
  let operations = 0
  let batches = 1
  const start = cpuSeconds()
  for (;;) {
    for (let index = 0; index < batches; index++) operations += run()
    const elapsed = cpuSeconds() - start
    if (elapsed >= seconds) return operations / elapsed
    // Reading the clock is a system call: ask more seldom as the work turns out short.
    if (elapsed < seconds / 20) batches *= 2
  }
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}

/** Measures the cases in interleaved rounds, so that what disturbs the machine disturbs them alike. */
export function runCases(cases: readonly BenchCase[], options: RunOptions = DEFAULT_OPTIONS): BenchResult[] {
  const prepared = cases.map((one) => ({ one, run: one.prepare(), rounds: [] as number[] }))
  for (const { run } of prepared) measure(run, options.warmUpSeconds)
  for (let round = 0; round < options.rounds; round++) {
    for (const entry of prepared) entry.rounds.push(measure(entry.run, options.seconds))
  }
  return prepared.map(({ one, rounds }) => ({
    id: one.id,
    ops: median(rounds),
    rounds,
    ...(one.target !== undefined && { target: one.target }),
    ...(one.leastOf !== undefined && { leastOf: one.leastOf }),
  }))
}
