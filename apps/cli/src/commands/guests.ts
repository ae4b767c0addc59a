import { listGuests } from '@dmascope/guest'
import { printLine } from '../output/standard-output.ts'

/** `dmascope guests`. */
export function guests(asJson: boolean): void {
  const all = listGuests()
  if (asJson) {
    printLine(JSON.stringify(all, null, 2))
    return
  }
  const names = [...all.profiles, ...all.options].map(({ name }) => name)
  const width = Math.max(...names.map((name) => name.length))
  for (const { name, summary } of all.profiles) printLine(`${name.padEnd(width)}  ${summary}`)
  printLine('\nOptions, after the name and a comma (linux-6.12,without=virtio_blk):')
  for (const { name, values, summary } of all.options) {
    printLine(`${name.padEnd(width)}  ${summary}: ${values.join(', ')}`)
  }
}
