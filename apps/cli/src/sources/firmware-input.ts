import { tableSignature } from '@dmascope/acpi'
import { type FoundTable, findTables, textOf } from '@dmascope/acpi/text'
import { isDtb, isDts } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'

/** A table or tree in an input: its bytes, and where they were found. */
export type FirmwareItem = AcpiItem | TreeItem

interface Item {
  /** The file that it came from; `standard input`. */
  readonly source: string
  /** Of a tree in source form, that text in UTF-8. */
  readonly bytes: Uint8Array
}

export interface AcpiItem extends Item, FoundTable {
  readonly kind: 'acpi'
  /** Four characters, or `RSD PTR `. */
  readonly signature: string
}

export interface TreeItem extends Item {
  readonly kind: 'dtb' | 'dts'
  /** Byte of the input that it starts at. */
  readonly offset: 0
}

/**
 * The tables and trees in an input, recognised by its content alone: raw ACPI tables, text of acpidump or `iasl -d`,
 * blobs and sources of device trees.
 *
 * @throws DmascopeError INPUT_EMPTY, INPUT_UNKNOWN, INPUT_NO_RAW_DATA
 */
export function recognise(bytes: Uint8Array, source: string): FirmwareItem[] {
  if (bytes.length === 0) throw new DmascopeError('INPUT_EMPTY', `${source}: it is empty; ${ACCEPTED}`, { source })
  if (isDtb(bytes)) return [{ kind: 'dtb', source, bytes, offset: 0 }]
  const tables = findTables(bytes)
  if (tables.length > 0) {
    return tables.map((table) => ({ kind: 'acpi', source, ...table, signature: signatureOf(table.bytes) }))
  }
  const text = textOf(bytes)
  if (text === null) throw unknown(source, `its first bytes are ${firstBytes(bytes)}${guess(bytes)}`)
  if (isDts(text.text)) {
    const utf8 = text.charSize === 1 ? bytes : new TextEncoder().encode(text.text)
    return [{ kind: 'dts', source, bytes: utf8, offset: 0 }]
  }
  if (/\bACPI Data Table \[|^[ \t]*\[[0-9A-F]+h\b[^\]]*\] *Signature : |\bDefinitionBlock *\(/m.test(text.text)) {
    throw new DmascopeError(
      'INPUT_NO_RAW_DATA',
      `${source}: it is iasl's text without the bytes of the table ("Raw Table Data"); give the table itself, or compile it first: iasl ${source === STANDARD_INPUT ? 'FILE' : source}`,
      { source },
    )
  }
  throw unknown(source, `it starts with ${JSON.stringify(text.text.trimStart().slice(0, 40))}${guessText(text.text)}`)
}

export const STANDARD_INPUT = 'standard input'

const signatureOf = (bytes: Uint8Array): string => {
  const signature = tableSignature(bytes)
  return signature === 'RSD ' ? 'RSD PTR ' : signature
}

const ACCEPTED =
  'give an ACPI table, the text of acpidump or of iasl -d with its raw data, a device tree blob (DTB), or device tree source (DTS)'

const unknown = (source: string, found: string): DmascopeError =>
  new DmascopeError('INPUT_UNKNOWN', `${source}: it is no table or tree that is known: ${found}; ${ACCEPTED}`, {
    source,
  })

const firstBytes = (bytes: Uint8Array): string =>
  Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join(' ')

/** Files that people take for a table, by their first bytes. */
const OTHERS: readonly (readonly [start: string, words: string])[] = [
  ['1f8b', 'gzip: unpack it first'],
  ['fd377a585a00', 'xz: unpack it first'],
  ['28b52ffd', 'zstd: unpack it first'],
  ['7f454c46', 'an ELF file'],
  ['edfe0dd0', 'a device tree with its bytes in another order'],
  ['d7b7ab1e', 'a container of device trees (DTBO): take one out first'],
  ['504b0304', 'a zip file: unpack it first'],
]

function guess(bytes: Uint8Array): string {
  const start = firstBytes(bytes).replaceAll(' ', '')
  const found = OTHERS.find(([digits]) => start.startsWith(digits))
  return found === undefined ? '' : ` (${found[1]})`
}

function guessText(text: string): string {
  return /^\s*[[{]/.test(text) ? ' (JSON? dmascope build takes that)' : ''
}
