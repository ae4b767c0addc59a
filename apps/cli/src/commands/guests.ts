import { listGuests } from '@dmascope/guest'

/** `dmascope guests`. */
export function guests(asJson: boolean): void {
  const all = listGuests()
  if (asJson) {
    console.log(JSON.stringify(all, null, 2))
    return
  }
  const names = [...all.profiles, ...all.options].map(({ name }) => name)
  const width = Math.max(...names.map((name) => name.length))
  for (const { name, summary } of all.profiles) console.log(`${name.padEnd(width)}  ${summary}`)
  console.log('\nOptions, after the name and a comma (linux-6.12,without=virtio_blk):')
  for (const { name, values, summary } of all.options) {
    console.log(`${name.padEnd(width)}  ${summary}: ${values.join(', ')}`)
  }
}
