/** A job whose time is what matters, not its rate. `run` does it once, checks the outcome, and answers the time. */
export interface TimedCase {
  readonly id: string
  readonly unit: 'ms' | 'us per function'
  /** What the time ought to be at most, on a machine of the reference class. */
  readonly target?: number
  /** The same measure of something else, taken turn by turn with this one; the ratio ought to be at most `most`. */
  readonly against?: { readonly name: string; readonly most: number; run(): number }
  /** Times that a round takes, of which it keeps the median. Default 1. */
  readonly times?: number
  /** What a reader has to know of the figure. */
  readonly note?: string
  /** Called once, before the first round. */
  prepare(): () => number
}

export interface TimedResult {
  readonly id: string
  readonly unit: TimedCase['unit']
  /** The median of the rounds. */
  readonly time: number
  readonly rounds: readonly number[]
  readonly target?: number
  readonly against?: { readonly name: string; readonly time: number; readonly ratio: number; readonly most: number }
  readonly note?: string
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

/** Measures the cases in interleaved rounds. */
export function runTimed(cases: readonly TimedCase[], count: number): TimedResult[] {
  const prepared = cases.map((one) => ({ one, run: one.prepare(), rounds: [] as number[], others: [] as number[] }))
  for (let round = 0; round < count; round++) {
    for (const { one, run, rounds, others } of prepared) {
      const taken: number[] = []
      const other: number[] = []
      for (let time = 0; time < (one.times ?? 1); time++) {
        if (one.against !== undefined) other.push(one.against.run())
        taken.push(run())
      }
      rounds.push(median(taken))
      if (other.length > 0) others.push(median(other))
    }
  }
  return prepared.map(({ one, rounds, others }) => {
    const { id, unit, target, against, note } = one
    const time = median(rounds)
    const reference = others.length === 0 ? 0 : median(others)
    return {
      id,
      unit,
      time,
      rounds,
      ...(target !== undefined && { target }),
      ...(against !== undefined && {
        against: { name: against.name, time: reference, ratio: time / reference, most: against.most },
      }),
      ...(note !== undefined && { note }),
    }
  })
}

const shown = (time: number): string => time.toFixed(time >= 100 ? 0 : time >= 10 ? 1 : 2)
const verdict = (reached: boolean): string => (reached ? 'reached' : 'MISSED')

/** The results as a table for a person, and what has to be known of them below it. */
export function formatTimes(results: readonly TimedResult[]): string {
  const rows: string[][] = [['job', 'time', 'against', 'ratio', 'target']]
  for (const { id, unit, time, target, against } of results) {
    const wanted =
      against !== undefined
        ? `at most ${against.most}x ${verdict(against.ratio <= against.most)}`
        : target !== undefined
          ? `at most ${shown(target)} ${unit} ${verdict(time <= target)}`
          : ''
    const compared =
      against === undefined ? ['', ''] : [`${against.name} ${shown(against.time)} ms`, `${against.ratio.toFixed(2)}x`]
    rows.push([id, `${shown(time)} ${unit}`, ...compared, wanted])
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  const notes = new Set(results.flatMap(({ id, note }) => (note === undefined ? [] : [`${id}: ${note}`])))
  return [...lines, ...notes].join('\n')
}
