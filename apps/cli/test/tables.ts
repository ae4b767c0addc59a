import { buildDmar, buildMcfg, sdtHeader } from '@dmascope/acpi'
import { buildDtb, parseDts } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import { writeJson } from '../src/output/json-text.ts'
import { recognise } from '../src/sources/firmware-input.ts'
import { type BuiltItem, buildItems } from '../src/tables/build-item.ts'
import { decodeItem } from '../src/tables/decode-item.ts'

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const scopes = [
  { kind: 'endpoint' as const, flags: 0, enumerationId: 0, startBusNumber: 0, path: [{ device: 2, function: 0 }] },
]
export const dmar = buildDmar({
  signature: 'DMAR',
  header: sdtHeader(1),
  hostAddressWidth: 47,
  flags: 1,
  records: [{ kind: 'DRHD', flags: 0, size: 0, segmentNumber: 0, registerBaseAddress: 0xfed90000, scopes }],
})
export const mcfg = buildMcfg({
  signature: 'MCFG',
  header: sdtHeader(1),
  allocations: [{ baseAddress: 0xb0000000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255 }],
})
export const SOURCE = '/dts-v1/; / { #address-cells = <1>; n { reg = <1>; }; };'
export const tree = buildDtb(parseDts(SOURCE))

/** What acpidump prints of a table. */
export function dumped(name: string, bytes: Uint8Array): string {
  let text = `${name} @ 0x000000007FFE0000\n`
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Buffer.from(bytes.subarray(at, at + 16))
    const digits = row
      .toString('hex')
      .toUpperCase()
      .replace(/..(?!$)/g, '$& ')
    const offset = at.toString(16).toUpperCase().padStart(4, '0')
    text += `    ${offset}: ${digits.padEnd(47)}  ${row.toString('latin1').replace(/[^ -~]/g, '.')}\n`
  }
  return `${text}\n`
}

/** The document of `decode --format json`, as text. */
export function jsonOf(bytes: Uint8Array): string {
  const tables = recognise(bytes, 'input').map((item) => ({ source: 'input', ...decodeItem(item).plain() }))
  let text = ''
  writeJson({ schemaVersion: 1, tables }, (part) => {
    text += part
  })
  return text
}
export const build = (text: string, checksum: 'keep' | 'fix' = 'keep'): BuiltItem[] =>
  buildItems(text, { file: 'x.json', checksum })

/** A mistake's code and message. */
export function refused(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof DmascopeError) return `${error.code} ${error.message}`
    throw error
  }
  throw new Error('nothing was refused')
}
