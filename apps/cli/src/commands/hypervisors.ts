import { HYPERVISORS } from '@dmascope/machine'
import { wrap } from '@dmascope/report'
import { printLine } from '../output/standard-output.ts'

const WIDTH = 100

/** `dmascope hypervisors`. */
export function hypervisors(asJson: boolean): void {
  if (asJson) {
    printLine(JSON.stringify(HYPERVISORS, null, 2))
    return
  }
  const width = Math.max(...HYPERVISORS.map(({ name }) => name.length))
  for (const { name, summary } of HYPERVISORS) {
    const [first = '', ...rest] = wrap(summary, WIDTH - width - 2)
    printLine(`${name.padEnd(width)}  ${first}`)
    for (const line of rest) printLine(`${' '.repeat(width)}  ${line}`)
  }
  printLine('\nUse one with dmascope boot --hypervisor NAME, or as hypervisor: NAME in a machine file.')
}
