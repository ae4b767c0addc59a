import { spawnSync } from 'node:child_process'
import type { BenchCase, BenchResult, RunOptions } from './runner.ts'
import { REFERENCES } from './table.ts'

/** A case's id without the reference that it is for: what is compared with one another. */
export const workOf = (id: string): string => {
  const reference = REFERENCES.find((name) => id.startsWith(`${name}/`))
  return reference === undefined ? id : id.slice(reference.length + 1)
}

const escaped = (id: string): string => id.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/**
 * Measures each work, with its references, in a process of its own. Cases share code, and in one process the JIT cannot
 * fit it to one of them: floors come out at half of what they do alone, and which cases were asked for decides on all.
 *
 * @param bundle - this program's file
 * @throws Error where a process fails; it has said why
 */
export function runApart(
  bundle: string,
  suite: string,
  cases: readonly BenchCase[],
  { rounds, seconds }: RunOptions,
): BenchResult[] {
  return [...groupByWork(cases).values()].flatMap((together) => {
    const only = `^(${together.map(({ id }) => escaped(id)).join('|')})$`
    const argv = [
      bundle,
      '--suite',
      suite,
      '--only',
      only,
      '--json',
      '--rounds',
      `${rounds}`,
      '--seconds',
      `${seconds}`,
    ]
    const { status, stdout } = spawnSync(process.execPath, argv, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (status !== 0) throw new Error(`measuring ${together[0]!.id} ended with ${status}`)
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as BenchResult)
  })
}

function groupByWork(cases: readonly BenchCase[]): Map<string, BenchCase[]> {
  const works = new Map<string, BenchCase[]>()
  for (const one of cases) {
    const work = workOf(one.id)
    const together = works.get(work)
    if (together === undefined) works.set(work, [one])
    else together.push(one)
  }
  return works
}
