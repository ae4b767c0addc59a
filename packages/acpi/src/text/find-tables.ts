import { checksum } from '../checksum.ts'
import { toText } from '../hex.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { DESCRIPTION_HEADER } from '../spec/header.ts'
import { TABLE_NAMES } from '../spec/signatures.ts'
import type { FoundTable } from './found-table.ts'
import { readTableText } from './read-text.ts'

/** A signature that no specification has: an OEM's own. */
const SIGNATURE = /^[A-Za-z0-9_@!$?]{4}$/
/** No table is larger: a length above this is damage, or the bytes are something else. */
const LARGEST_TABLE = 0x1000_0000

/**
 * The ACPI tables in an input, recognised by its content: one raw table (or root pointer), the text of `acpidump`, or
 * texts of `iasl -d` with their raw data. Empty where the input is none of these.
 *
 * A damaged table is found where its signature is one that the specifications know.
 */
export function findTables(input: Uint8Array): FoundTable[] {
  const text = textOf(input)
  if (text !== null) return readTableText(text.text, text.charSize)
  return isRawTable(input) ? [{ bytes: input, form: 'raw', offset: 0, problems: [] }] : []
}

/** Whether the bytes start with a root pointer or a table. */
export function isRawTable(data: Uint8Array): boolean {
  const signature = toText(data.subarray(0, 4))
  if (signature === 'RSD ') return toText(data.subarray(0, 8)) === 'RSD PTR '
  if (Object.hasOwn(TABLE_NAMES, signature)) return true
  if (!SIGNATURE.test(signature) || data.length < HEADER_SIZE) return false
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const length = DESCRIPTION_HEADER.fields.length.get(view, 0)
  return (length >= HEADER_SIZE && length <= LARGEST_TABLE) || checksum(data) === 0
}

/**
 * An input as text, a character a byte; null where it has NULs, which every table and no text has. A text in UTF-16
 * must tell so by its first bytes, as what PowerShell writes does.
 */
export function textOf(input: Uint8Array): { text: string; charSize: 1 | 2 } | null {
  if (input[0] === 0xff && input[1] === 0xfe) return { text: new TextDecoder('utf-16le').decode(input), charSize: 2 }
  if (input.subarray(0, 4096).includes(0)) return null
  return { text: new TextDecoder('latin1').decode(input), charSize: 1 }
}
