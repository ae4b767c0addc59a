import { checksum } from './checksum.ts'
import { fromHex, fromText, toHex, toText } from './hex.ts'
import { hex, type Problem, type TableLocation, tableError } from './problem.ts'
import { DESCRIPTION_HEADER } from './spec/header.ts'

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
export const tableSignature = (data: Uint8Array): string => toText(data.subarray(0, 4))

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
  const name = wanted?.join(' or ') ?? 'ACPI table'
  if (data.length < HEADER_SIZE) {
    throw tableError('ACPI_TRUNCATED', name, data.length, `the header takes 36 bytes, there are ${data.length}`, at)
  }
  if (wanted !== undefined && !wanted.includes(signature)) {
    throw tableError('ACPI_SIGNATURE', name, 0, `the signature is ${JSON.stringify(signature)}`, at)
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const length = FIELDS.length.get(view, 0)
  const stored = FIELDS.checksum.get(view, 0)
  const end = contentEnd(length, data.length)
  const right = (checksum(data.subarray(0, end)) + stored) & 0xff
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
    oemId: toText(FIELDS.oemId.get(view, 0)),
    oemTableId: toText(FIELDS.oemTableId.get(view, 0)),
    oemRevision: FIELDS.oemRevision.get(view, 0),
    creatorId: toText(FIELDS.creatorId.get(view, 0)),
    creatorRevision: FIELDS.creatorRevision.get(view, 0),
    ...(length !== end && { length }),
    ...(right !== stored && { checksum: stored }),
  }
  return { view, signature, header, end, beyond: end < data.length ? toHex(data.subarray(end)) : undefined, problems }
}

function word(value: number, limit: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= limit) return value
  throw new RangeError(`header.${what}: ${value} is outside [0, 0x${limit.toString(16)}]`)
}

function padded(text: string, size: number, what: string): Uint8Array {
  const data = fromText(text, `header.${what}`)
  if (data.length > size) throw new RangeError(`header.${what}: ${JSON.stringify(text)} is longer than ${size}`)
  return fromText(text.padEnd(size, ' '), what)
}

/**
 * Puts a header before `body`: length and checksum are computed, unless the header or `beyond` say otherwise.
 *
 * @param signature - four characters
 * @throws TypeError, RangeError where a header field does not fit
 */
export function closeTable(signature: string, table: ParsedTable, body: Uint8Array): Uint8Array {
  const { header } = table
  const trailing = fromHex(table.trailing ?? '', 'trailing')
  const beyond = fromHex(table.beyond ?? '', 'beyond')
  const end = HEADER_SIZE + body.length + trailing.length
  const out = new Uint8Array(end + beyond.length)
  const view = new DataView(out.buffer)
  if (signature.length !== 4) throw new RangeError(`the signature ${JSON.stringify(signature)} is not four characters`)
  FIELDS.signature.set(view, 0, fromText(signature, 'signature'))
  FIELDS.length.set(view, 0, word(header.length ?? end, 0xffff_ffff, 'length'))
  FIELDS.revision.set(view, 0, word(header.revision, 0xff, 'revision'))
  FIELDS.oemId.set(view, 0, padded(header.oemId, 6, 'oemId'))
  FIELDS.oemTableId.set(view, 0, padded(header.oemTableId, 8, 'oemTableId'))
  FIELDS.oemRevision.set(view, 0, word(header.oemRevision, 0xffff_ffff, 'oemRevision'))
  FIELDS.creatorId.set(view, 0, padded(header.creatorId, 4, 'creatorId'))
  FIELDS.creatorRevision.set(view, 0, word(header.creatorRevision, 0xffff_ffff, 'creatorRevision'))
  out.set(body, HEADER_SIZE)
  out.set(trailing, HEADER_SIZE + body.length)
  out.set(beyond, end)
  FIELDS.checksum.set(view, 0, word(header.checksum ?? checksum(out.subarray(0, end)), 0xff, 'checksum'))
  return out
}
