import { Command, InvalidArgumentError } from 'commander'
import { iommuCases } from './iommu-dmascope.ts'
import { iommuFloorCases } from './iommu-floor.ts'
import type { BenchCase } from './runner.ts'
import { DEFAULT_OPTIONS, runCases } from './runner.ts'
import { formatTable } from './table.ts'
import { dmascopeCases } from './vq-dmascope.ts'
import { floorCases } from './vq-floor.ts'
import { v86Cases } from './vq-v86.ts'

const positive = (text: string): number => {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0')
  return value
}

const command = new Command('bench')
  .description('Operations per CPU-second, and how they compare with the same work done otherwise.')
  .option('--json', 'one JSON object a line, instead of a table')
  .option('--only <regex>', 'only cases whose id matches')
  .option('--list', 'only print the ids')
  .option('--rounds <count>', 'interleaved rounds', positive, DEFAULT_OPTIONS.rounds)
  .option('--seconds <seconds>', 'CPU-seconds per case and round', positive, DEFAULT_OPTIONS.seconds)
  .parse()
const options = command.opts<{ json?: true; only?: string; list?: true; rounds: number; seconds: number }>()

const suites: (() => BenchCase[] | Promise<BenchCase[]>)[] = [
  dmascopeCases,
  floorCases,
  v86Cases,
  iommuCases,
  iommuFloorCases,
]
const all: BenchCase[] = []
for (const suite of suites) all.push(...(await suite()))
const only = options.only === undefined ? null : new RegExp(options.only)
const cases = only === null ? all : all.filter(({ id }) => only.test(id))

if (options.list) {
  for (const { id } of cases) console.log(id)
} else {
  const results = runCases(cases, { ...DEFAULT_OPTIONS, rounds: options.rounds, seconds: options.seconds })
  if (options.json) for (const one of results) console.log(JSON.stringify(one))
  else console.log(formatTable(results))
}
