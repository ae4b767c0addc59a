import { checksum } from './checksum.ts'
import { fromHex, putText, textOf, toHex, toText } from './hex.ts'
import { hex, type Problem, type TableLocation, tableError } from './problem.ts'
import { DESCRIPTION_HEADER } from './spec/header.ts'
import { TableWriter } from './table-writer.ts'

/** The common header as plain data; signature and length stand outside. IDs are one character a byte, padded. */
export interface SdtHeader {
  revision: number
  /** Six characters. */
  oemId: string
  /** Eight characters. */
  oemTableId: string
  oemRevision: number
  /** Four characters: who made the table, a compiler or a vendor. */
  creatorId: string
  creatorRevision: number
  /** As stored, only where it is not the number of the table's bytes. */
  length?: number
  /** As stored, only where it is wrong. */
  checksum?: number
}

/** What every parsed table bears. */
export interface ParsedTable {
  header: SdtHeader
  /** Bytes between the last field or record and the end that the header gives, as hexadecimal digits. */
  trailing?: string
  /** Bytes behind the end that the header gives. */
  beyond?: string
  /** Ignored when built. */
  problems?: Problem[]
}

const FIELDS = DESCRIPTION_HEADER.fields
export const HEADER_SIZE = DESCRIPTION_HEADER.size

/** A header with this project's own IDs, for tables that no given machine prescribes. */
export const sdtHeader = (revision: number, overrides: Partial<SdtHeader> = {}): SdtHeader => ({
  revision,
  oemId: 'DMASCP',
  oemTableId: 'DMASCOPE',
  oemRevision: 1,
  creatorId: 'DMSC',
  creatorRevision: 1,
  ...overrides,
})

/** The four characters that a table starts with; fewer where there are fewer bytes. */
export const tableSignature = (data: Uint8Array): string =>
  data.length < 4 ? toText(data) : String.fromCharCode(data[0]!, data[1]!, data[2]!, data[3]!)

/** Where the table's content ends, whatever its header says: within the bytes, and not before its header's end. */
const contentEnd = (length: number, available: number): number => Math.max(HEADER_SIZE, Math.min(length, available))

/** A table whose header was read. */
export interface OpenTable {
  readonly view: DataView
  readonly signature: string
  readonly header: SdtHeader
  /** First byte that is not the table's. */
  readonly end: number
  readonly beyond: string | undefined
  readonly problems: Problem[]
}

/**
 * Reads the header, checks length and checksum.
 *
 * @throws DmascopeError `ACPI_TRUNCATED` below 36 bytes, `ACPI_SIGNATURE` where another table was wanted
 */
export function openTable(data: Uint8Array, wanted: readonly string[] | undefined, at?: TableLocation): OpenTable {
  const signature = tableSignature(data)
  const name = (): string => wanted?.join(' or ') ?? 'ACPI table'
  if (data.length < HEADER_SIZE) {
    throw tableError('ACPI_TRUNCATED', name(), data.length, `the header takes 36 bytes, there are ${data.length}`, at)
  }
  if (wanted !== undefined && !wanted.includes(signature)) {
    throw tableError('ACPI_SIGNATURE', name(), 0, `the signature is ${JSON.stringify(signature)}`, at)
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const length = FIELDS.length.get(view, 0)
  const stored = FIELDS.checksum.get(view, 0)
  const end = contentEnd(length, data.length)
  const right = (checksum(data, 0, end) + stored) & 0xff
  const problems: Problem[] = []
  if (length !== data.length) {
    const message = `the header gives ${length} bytes, there are ${data.length}`
    problems.push({ code: 'ACPI_LENGTH', offset: FIELDS.length.offset, message })
  }
  if (right !== stored) {
    const message = `the checksum is ${hex(stored, 2)}, it should be ${hex(right, 2)}`
    problems.push({ code: 'ACPI_CHECKSUM', offset: FIELDS.checksum.offset, message })
  }
  const header: SdtHeader = {
    revision: FIELDS.revision.get(view, 0),
    oemId: textOf(view, FIELDS.oemId.offset, FIELDS.oemId.size),
    oemTableId: textOf(view, FIELDS.oemTableId.offset, FIELDS.oemTableId.size),
    oemRevision: FIELDS.oemRevision.get(view, 0),
    creatorId: textOf(view, FIELDS.creatorId.offset, FIELDS.creatorId.size),
    creatorRevision: FIELDS.creatorRevision.get(view, 0),
  }
  if (length !== end) header.length = length
  if (right !== stored) header.checksum = stored
  return { view, signature, header, end, beyond: end < data.length ? toHex(data.subarray(end)) : undefined, problems }
}

function word(value: number, limit: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= limit) return value
  throw new RangeError(`header.${what}: ${value} is outside [0, 0x${limit.toString(16)}]`)
}

/** Text and the blanks behind it. */
function putPadded(bytes: Uint8Array, name: 'oemId' | 'oemTableId' | 'creatorId', text: string): void {
  const { offset, size } = FIELDS[name]
  if (text.length > size) throw new RangeError(`header.${name}: ${JSON.stringify(text)} is longer than ${size}`)
  putText(bytes, offset, text, `header.${name}`)
  bytes.fill(BLANK, offset + text.length, offset + size)
}
const BLANK = 0x20

/** A table whose header is still to come. */
export function startTable(): TableWriter {
  const out = new TableWriter()
  out.reserve(HEADER_SIZE)
  return out
}

/**
 * Puts in the header of a table whose content stands: length and checksum are computed, unless the header or `beyond`
 * say otherwise.
 *
 * @param signature - four characters
 * @throws TypeError, RangeError where a header field does not fit
 */
export function finishTable(signature: string, table: ParsedTable, out: TableWriter): Uint8Array {
  const { header, trailing, beyond } = table
  if (trailing !== undefined) out.put(fromHex(trailing, 'trailing'))
  const end = out.length
  if (beyond !== undefined) out.put(fromHex(beyond, 'beyond'))
  const { bytes, view } = out
  if (signature.length !== 4) throw new RangeError(`the signature ${JSON.stringify(signature)} is not four characters`)
  putText(bytes, 0, signature, 'signature')
  FIELDS.length.set(view, 0, word(header.length ?? end, 0xffff_ffff, 'length'))
  FIELDS.revision.set(view, 0, word(header.revision, 0xff, 'revision'))
  putPadded(bytes, 'oemId', header.oemId)
  putPadded(bytes, 'oemTableId', header.oemTableId)
  FIELDS.oemRevision.set(view, 0, word(header.oemRevision, 0xffff_ffff, 'oemRevision'))
  putPadded(bytes, 'creatorId', header.creatorId)
  FIELDS.creatorRevision.set(view, 0, word(header.creatorRevision, 0xffff_ffff, 'creatorRevision'))
  FIELDS.checksum.set(view, 0, word(header.checksum ?? checksum(bytes, 0, end), 0xff, 'checksum'))
  return out.finish()
}

/** A table of content that there is already. */
export function closeTable(signature: string, table: ParsedTable, body: Uint8Array): Uint8Array {
  const out = new TableWriter(HEADER_SIZE + body.length)
  out.reserve(HEADER_SIZE)
  out.put(body)
  return finishTable(signature, table, out)
}
