import { listPresets } from '@dmascope/machine'

/** `dmascope presets`. */
export function presets(asJson: boolean): void {
  const all = listPresets()
  if (asJson) {
    console.log(JSON.stringify(all, null, 2))
    return
  }
  const width = Math.max(...all.map(({ name }) => name.length))
  for (const { name, summary } of all) console.log(`${name.padEnd(width)}  ${summary}`)
}
