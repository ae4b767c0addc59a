import { listPresets } from '@dmascope/machine'
import { printLine } from '../output/standard-output.ts'

/** `dmascope presets`. */
export function presets(asJson: boolean): void {
  const all = listPresets()
  if (asJson) {
    printLine(JSON.stringify(all, null, 2))
    return
  }
  const width = Math.max(...all.map(({ name }) => name.length))
  for (const { name, summary } of all) printLine(`${name.padEnd(width)}  ${summary}`)
}
