import { Command, InvalidArgumentError, Option } from 'commander'
import { iommuCheckedCases } from './iommu-checked-floor.ts'
import { amdviCases, iommuCases, smmuv3Cases } from './iommu-dmascope.ts'
import { amdviFloorCases, iommuFloorCases, smmuv3FloorCases } from './iommu-floor.ts'
import { tceCases } from './iommu-tce.ts'
import { virtioIommuCases } from './iommu-virtio.ts'
import { jobCases, scaleCases } from './job-cases.ts'
import { portCases } from './job-port.ts'
import { formatTimes, runTimed, type TimedCase } from './job-timed.ts'
import { matrixCases } from './matrix-cases.ts'
import { runApart, workOf } from './run-apart.ts'
import type { BenchCase } from './runner.ts'
import { DEFAULT_OPTIONS, runCases } from './runner.ts'
import { formatTable } from './table.ts'
import { treeCases } from './tree-dmascope.ts'
import { treeFloorCases } from './tree-floor.ts'
import { treeTextFloorCases } from './tree-text-floor.ts'
import { checkedCases } from './vq-checked-floor.ts'
import { dmascopeCases, packedCases } from './vq-dmascope.ts'
import { floorCases } from './vq-floor.ts'
import { publishedV86Cases, v86Cases } from './vq-v86.ts'

const positive = (text: string): number => {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0')
  return value
}

/** Each is measured in a process of its own: what the JIT has learnt of one would slow down another. */
const SUITES: Readonly<Record<string, () => (BenchCase | TimedCase)[] | Promise<(BenchCase | TimedCase)[]>>> = {
  vq: async () => [...dmascopeCases(), ...packedCases(), ...floorCases(), ...checkedCases(), ...(await v86Cases())],
  v86: publishedV86Cases,
  port: portCases,
  iommu: () => [...iommuCases(), ...iommuFloorCases(), ...iommuCheckedCases()],
  'iommu-amdvi': () => [...amdviCases(), ...amdviFloorCases()],
  'iommu-smmuv3': () => [...smmuv3Cases(), ...smmuv3FloorCases()],
  'iommu-virtio': virtioIommuCases,
  'iommu-tce': tceCases,
  tree: () => [...treeCases(), ...treeFloorCases(), ...treeTextFloorCases()],
  job: jobCases,
  scale: scaleCases,
  matrix: matrixCases,
}

const command = new Command('bench')
  .description('Operations per CPU-second, and how they compare with the same work done otherwise.')
  .addOption(new Option('--suite <name>', 'one suite').choices(Object.keys(SUITES)).makeOptionMandatory())
  .option('--json', 'one JSON object a line, instead of a table')
  .option('--only <regex>', 'only cases whose id matches')
  .option('--list', 'only print the ids')
  .option('--rounds <count>', 'interleaved rounds', positive, DEFAULT_OPTIONS.rounds)
  .option('--seconds <seconds>', 'CPU-seconds per case and round', positive, DEFAULT_OPTIONS.seconds)
  .parse()
const options = command.opts<{
  suite: string
  json?: true
  only?: string
  list?: true
  rounds: number
  seconds: number
}>()

const all = await SUITES[options.suite]!()
const only = options.only === undefined ? null : new RegExp(options.only)
const cases = only === null ? all : all.filter(({ id }) => only.test(id))
const isTimed = (one: BenchCase | TimedCase): one is TimedCase => 'unit' in one

if (options.list) {
  for (const { id } of cases) console.log(id)
} else if (cases.length > 0) {
  const rates = cases.filter((one) => !isTimed(one))
  const timed = cases.filter(isTimed)
  const how = { ...DEFAULT_OPTIONS, rounds: options.rounds, seconds: options.seconds }
  const works = new Set(rates.map(({ id }) => workOf(id)))
  const results = works.size > 1 ? runApart(process.argv[1]!, options.suite, rates, how) : runCases(rates, how)
  const times = runTimed(timed, options.rounds)
  if (options.json) for (const one of [...results, ...times]) console.log(JSON.stringify(one))
  else console.log(`${results.length > 0 ? formatTable(results) : formatTimes(times)}\n`)
}
