import type { AnnotatedLine } from '@dmascope/layout'
import { annotate, annotateRaw } from './annotate.ts'
import { checksum } from './checksum.ts'
import { fromHex, fromText, toHex, toText } from './hex.ts'
import { type Problem, type TableLocation, tableError } from './problem.ts'
import { RSDP, RSDP_1_0 } from './spec/header.ts'
import { pairFromU64, type U64, u64FromPair } from './values.ts'

/** The root pointer, which an operating system finds by its eight-character signature on a 16-byte boundary. */
export interface Rsdp {
  signature: 'RSD PTR '
  /** Six characters. */
  oemId: string
  /** 0: ACPI 1.0, 20 bytes. 2: 36 bytes. */
  revision: number
  rsdtAddress: number
  /** From revision 1 on. */
  xsdtAddress?: U64
  /** From revision 1 on: hexadecimal digits, where not zero. */
  reserved?: string
  /** As stored, only where wrong. */
  checksum?: number
  extendedChecksum?: number
  length?: number
  /** Bytes behind the structure. */
  trailing?: string
  problems?: Problem[]
}

export const RSDP_SIGNATURE = 'RSD PTR '
const FORM = { signature: 'text', oemId: 'text' } as const
const F = RSDP.fields

/**
 * Reads a root pointer of 20 bytes (revision 0) or 36.
 *
 * @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE`
 */
export function parseRsdp(data: Uint8Array, at?: TableLocation): Rsdp & { problems: Problem[] } {
  const signature = toText(data.subarray(0, 8))
  const old = data.length < RSDP_1_0.size || F.revision.get(new DataView(data.buffer, data.byteOffset), 0) === 0
  const size = old ? RSDP_1_0.size : RSDP.size
  if (data.length < size) {
    throw tableError('ACPI_TRUNCATED', 'RSDP', data.length, `takes ${size} bytes, there are ${data.length}`, at)
  }
  if (signature !== RSDP_SIGNATURE) {
    throw tableError('ACPI_SIGNATURE', 'RSDP', 0, `the signature is ${JSON.stringify(signature)}`, at)
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const problems: Problem[] = []
  const right = checksum(data.subarray(0, RSDP_1_0.size).map((byte, index) => (index === 8 ? 0 : byte)))
  const table: Rsdp & { problems: Problem[] } = {
    signature: RSDP_SIGNATURE,
    oemId: toText(F.oemId.get(view, 0)),
    revision: F.revision.get(view, 0),
    rsdtAddress: F.rsdtAddress.get(view, 0),
    problems,
  }
  if (F.checksum.get(view, 0) !== right) {
    table.checksum = F.checksum.get(view, 0)
    problems.push({ code: 'ACPI_CHECKSUM', offset: F.checksum.offset, message: 'the checksum is wrong' })
  }
  if (!old) readExtended(view, data, table)
  if (data.length > size) table.trailing = toHex(data.subarray(size))
  return table
}

function readExtended(view: DataView, data: Uint8Array, table: Rsdp & { problems: Problem[] }): void {
  table.xsdtAddress = u64FromPair(F.xsdtAddress.hi.get(view, 0), F.xsdtAddress.lo.get(view, 0))
  const reserved = toHex(F.reserved.get(view, 0))
  if (reserved !== '000000') table.reserved = reserved
  const length = F.length.get(view, 0)
  if (length !== RSDP.size) {
    table.length = length
    const message = `the length is ${length}, not ${RSDP.size}`
    table.problems.push({ code: 'ACPI_LENGTH', offset: F.length.offset, message })
  }
  const stored = F.extendedChecksum.get(view, 0)
  const right = (checksum(data.subarray(0, RSDP.size)) + stored) & 0xff
  if (stored !== right) {
    table.extendedChecksum = stored
    const message = 'the extended checksum is wrong'
    table.problems.push({ code: 'ACPI_CHECKSUM', offset: F.extendedChecksum.offset, message })
  }
}

/** @throws TypeError, RangeError where a field does not fit */
export function buildRsdp(table: Rsdp): Uint8Array {
  const size = table.revision === 0 ? RSDP_1_0.size : RSDP.size
  const trailing = fromHex(table.trailing ?? '', 'RSDP.trailing')
  const out = new Uint8Array(size + trailing.length)
  const view = new DataView(out.buffer)
  const oemId = fromText(table.oemId.padEnd(6, ' '), 'RSDP.oemId')
  F.signature.set(view, 0, fromText(RSDP_SIGNATURE, 'RSDP.signature'))
  F.oemId.set(view, 0, oemId)
  F.revision.set(view, 0, fit(table.revision, 0xff, 'revision'))
  F.rsdtAddress.set(view, 0, fit(table.rsdtAddress, 0xffff_ffff, 'rsdtAddress'))
  if (table.revision !== 0) {
    const [hi, lo] = pairFromU64(table.xsdtAddress ?? 0, 'RSDP.xsdtAddress')
    F.xsdtAddress.hi.set(view, 0, hi)
    F.xsdtAddress.lo.set(view, 0, lo)
    F.length.set(view, 0, fit(table.length ?? RSDP.size, 0xffff_ffff, 'length'))
    F.reserved.set(view, 0, fromHex(table.reserved ?? '', 'RSDP.reserved'))
  }
  F.checksum.set(view, 0, fit(table.checksum ?? checksum(out.subarray(0, RSDP_1_0.size)), 0xff, 'checksum'))
  if (table.revision !== 0) {
    const sum = table.extendedChecksum ?? checksum(out.subarray(0, RSDP.size))
    F.extendedChecksum.set(view, 0, fit(sum, 0xff, 'extendedChecksum'))
  }
  out.set(trailing, size)
  return out
}

function fit(value: number, limit: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= limit) return value
  throw new RangeError(`RSDP.${what}: ${value} is outside [0, 0x${limit.toString(16)}]`)
}

/** Every field with its byte offset. */
export function formatRsdp(table: Rsdp): AnnotatedLine[] {
  const data = buildRsdp(table)
  const view = new DataView(data.buffer)
  const of = table.revision === 0 ? RSDP_1_0 : RSDP
  return [
    ...annotate({ of, meaning: FORM }, view, 0, 0),
    ...annotateRaw('Trailing bytes', view, of.size, data.length, 0),
  ]
}
