import { listGuests } from '@dmascope/guest'
import { wrap } from '@dmascope/report'
import { printLine } from '../output/standard-output.ts'

const WIDTH = 100
const INDENT = 4

/** `dmascope guests`. */
export function guests(asJson: boolean): void {
  const all = listGuests()
  if (asJson) {
    printLine(JSON.stringify(all, null, 2))
    return
  }
  const width = Math.max(...all.profiles.map(({ name }) => name.length))
  for (const { name, summary } of all.profiles) {
    const [first = '', ...rest] = wrap(summary, WIDTH - width - 2)
    printLine(`${name.padEnd(width)}  ${first}`)
    for (const line of rest) printLine(`${' '.repeat(width)}  ${line}`)
  }
  printLine('\nOptions, after the name and a comma (linux-6.12,without=virtio_blk):')
  for (const { name, values, summary } of all.options) {
    printLine(`\n${name}=${values.length > 3 ? values[0] : values.join('|')}`)
    for (const line of wrap(summary, WIDTH - INDENT)) printLine(' '.repeat(INDENT) + line)
    if (values.length <= 3) continue
    for (const line of wrap(`One of ${values.join(', ')}.`, WIDTH - INDENT)) printLine(' '.repeat(INDENT) + line)
  }
}
