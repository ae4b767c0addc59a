import { HYPERVISORS } from '@dmascope/machine'
import { printLine } from '../output/standard-output.ts'

/** `dmascope hypervisors`. */
export function hypervisors(asJson: boolean): void {
  if (asJson) {
    printLine(JSON.stringify(HYPERVISORS, null, 2))
    return
  }
  const width = Math.max(...HYPERVISORS.map(({ name }) => name.length))
  for (const { name, summary } of HYPERVISORS) printLine(`${name.padEnd(width)}  ${summary}`)
  printLine('\nUse one with dmascope boot --hypervisor NAME, or as hypervisor: NAME in a machine file.')
}
