import { formatAnnotated } from '@dmascope/layout'
import type { Style } from '@dmascope/report'
import { styleFor } from '../output/colours.ts'
import { writeJson } from '../output/json-text.ts'
import { isTerminal, print } from '../output/standard-output.ts'
import type { FirmwareItem } from '../sources/firmware-input.ts'
import { readItems } from '../sources/read-files.ts'
import { type DecodedItem, decodeItem } from '../tables/decode-item.ts'

/** `dmascope decode`. @throws DmascopeError CLI_FILE, INPUT_*, DTS_* */
export async function decode(files: readonly string[], format: 'text' | 'json'): Promise<void> {
  // All are read before anything is printed: where one is bad, nothing stands on standard output.
  const items = (await readItems(files)).map((item) => ({ item, decoded: decodeItem(item) }))
  if (format === 'json') {
    const tables = items.map(({ item, decoded }) => {
      const { format, ...content } = decoded.plain()
      return { format, ...originOf(item, decoded), ...content }
    })
    writeJson({ schemaVersion: 1, tables }, print)
    return
  }
  const style = await styleFor(isTerminal(), process.env)
  for (const [index, { item, decoded }] of items.entries()) {
    print(`${index === 0 ? '' : '\n'}${style.bold(headingOf(item, decoded))}\n\n`)
    const { problems, columns, bytesPerRow } = decoded
    const options = {
      problems,
      style: annotationStyle(style),
      ...(columns !== undefined && { columns }),
      ...(bytesPerRow !== undefined && { bytesPerRow }),
    }
    for (const text of formatAnnotated(decoded.lines(), options)) print(text)
    const findings = decoded.findings()
    if (findings.length > 0) print(`\n${findings.join('\n')}\n`)
  }
}

/** Where an item came from, for machines. */
const originOf = (item: FirmwareItem, { problems }: DecodedItem) => ({
  source: item.source,
  form: item.kind === 'acpi' ? item.form : item.kind,
  ...(item.kind === 'acpi' && item.line !== undefined && { line: item.line }),
  ...(item.kind === 'acpi' && item.address !== undefined && { address: item.address }),
  ...(problems.length > 0 && { problems }),
})

/** And for people: `dump.txt:1: DMAR, DMA Remapping Table, 240 bytes, at 0x7ffe0000 in memory, 1 problem`. */
function headingOf(item: FirmwareItem, { title, bytes, problems }: DecodedItem): string {
  const line = item.kind === 'acpi' && item.line !== undefined ? `:${item.line}` : ''
  const address = item.kind === 'acpi' && item.address ? item.address : null
  const parts = [
    `${item.source}${line}: ${title}`,
    `${bytes.length} bytes`,
    ...(address === null
      ? []
      : [`at ${typeof address === 'number' ? `0x${address.toString(16)}` : address} in memory`]),
    ...(problems.length === 0 ? [] : [`${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`]),
  ]
  return parts.join(', ')
}

const annotationStyle = ({ bold, dim, good, bad }: Style) => ({
  offset: dim,
  bytes: dim,
  record: bold,
  meaning: good,
  problem: bad,
})
