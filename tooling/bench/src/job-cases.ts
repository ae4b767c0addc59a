import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DEFAULT_PRESET, describePreset, findPreset } from '@dmascope/machine'
import { bootAndReport, MOST_BEHIND_PORTS, machineOfBridges, machineOfPorts } from './job-machine.ts'
import type { TimedCase } from './job-timed.ts'

/** Functions of the chipset itself. */
const CHIPSET_FUNCTIONS = 4
/** CPU milliseconds that a job runs before it is measured: until the JIT has settled. */
const WARM_UP_MS = 3000

const cpuMilliseconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** From this bundle's folder, `tooling/bench/dist`. */
const COMMAND = fileURLToPath(new URL('../../../apps/cli/bin/dmascope.js', import.meta.url))

/** Wall time of a Node process, in milliseconds. */
function processTime(argv: readonly string[], succeeded: (output: string) => boolean): number {
  const start = performance.now()
  const { status, stdout } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  const time = performance.now() - start
  if (status !== 0 || !succeeded(stdout)) throw new Error(`node ${argv.join(' ')} ended with ${status}`)
  return time
}

const wall: TimedCase = {
  id: 'job/wall',
  unit: 'ms',
  times: 5,
  note: 'wall time of the command, of which Node itself is a part',
  against: { name: 'node -e 0', most: 1.5, run: () => processTime(['-e', '0'], () => true) },
  prepare() {
    if (!existsSync(COMMAND.replace(/bin.dmascope\.js$/, 'dist/main.cjs'))) {
      throw new Error('job/wall measures the bundled command: run pnpm build first')
    }
    const boot = (): number => processTime([COMMAND, 'boot'], (output) => output.includes('virtio-blk'))
    boot()
    return boot
  },
}

/** Runs until warm; the last runs are of the same kind as those that are measured. */
function warmUp(run: () => number): void {
  const end = cpuMilliseconds() + WARM_UP_MS
  while (cpuMilliseconds() < end) run()
}

const inProcess: TimedCase = {
  id: 'job/in-process',
  unit: 'ms',
  target: 5,
  times: 31,
  note: 'CPU time, warm: the default machine built, booted with self-tests of 16 KiB, and reported as text',
  prepare() {
    const description = describePreset(findPreset(DEFAULT_PRESET))
    const run = (): number => {
      const start = cpuMilliseconds()
      const { report } = bootAndReport(description)
      const working = report.devices.filter(({ verdict }) => verdict === 'works').length
      if (working !== 5) throw new Error(`${working} devices work, expected 5`)
      return cpuMilliseconds() - start
    }
    warmUp(run)
    return run
  },
}

/** The smallest shows what a machine costs before its devices; the largest are what a segment holds so, and the goal. */
const SIZES = [
  ...[100, 500, 1000, MOST_BEHIND_PORTS].map((functions) => ({ behind: 'ports', functions, make: machineOfPorts })),
  ...[1000, 10_000].map((functions) => ({ behind: 'bridges', functions, make: machineOfBridges })),
] as const

const scale = ({ behind, functions, make }: (typeof SIZES)[number]): TimedCase => ({
  id: `job/scale/${behind}/${functions}`,
  unit: 'us per function',
  times: 3,
  ...(functions === MOST_BEHIND_PORTS && {
    note: `the most that root ports reach in one segment: 240 ports, a device of 8 functions below each`,
  }),
  prepare() {
    const description = make(functions)
    const run = (): number => {
      const start = cpuMilliseconds()
      const { report } = bootAndReport(description)
      const found = report.devices.length
      if (found !== functions + CHIPSET_FUNCTIONS) throw new Error(`the guest found ${found} functions of ${functions}`)
      return ((cpuMilliseconds() - start) * 1000) / found
    }
    warmUp(run)
    return run
  },
})

/** The whole job: the command, and the same in a warm process. */
export const jobCases = (): TimedCase[] => [wall, inProcess]

/** Machines with many functions. */
export const scaleCases = (): TimedCase[] => SIZES.map(scale)
