import type { AnnotatedLine } from '@dmascope/layout'
import { annotate, annotateRaw } from './annotate.ts'
import { fromHex, fromText, toHex } from './hex.ts'
import { type Problem, type TableLocation, tableError } from './problem.ts'
import { tableSignature } from './sdt-header.ts'
import { FACS, FACS_FLAGS } from './spec/fadt.ts'
import { type FieldValues, readValues, writeValues } from './values.ts'

/** The firmware control structure, 64 bytes, without header and checksum. */
export interface Facs extends FieldValues<(typeof FACS)['fields'], 'signature' | 'length'> {
  signature: 'FACS'
  /** As stored, only where it is not the number of bytes. */
  length?: number
  /** Bytes behind the 64, as hexadecimal digits. */
  trailing?: string
  problems?: Problem[]
}

const FORM = { of: FACS, meaning: { signature: 'text', flags: FACS_FLAGS } } as const

/** @throws DmascopeError `ACPI_TRUNCATED` below 64 bytes, `ACPI_SIGNATURE` */
export function parseFacs(data: Uint8Array, at?: TableLocation): Facs & { problems: Problem[] } {
  if (data.length < FACS.size) {
    throw tableError('ACPI_TRUNCATED', 'FACS', data.length, `takes 64 bytes, there are ${data.length}`, at)
  }
  const signature = tableSignature(data)
  if (signature !== 'FACS') {
    throw tableError('ACPI_SIGNATURE', 'FACS', 0, `the signature is ${JSON.stringify(signature)}`, at)
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const { signature: _, ...values } = readValues(FACS, view, 0)
  const length = FACS.fields.length.get(view, 0)
  const problems: Problem[] = []
  if (length !== data.length) {
    const message = `the length is ${length}, there are ${data.length} bytes`
    problems.push({ code: 'ACPI_LENGTH', offset: FACS.fields.length.offset, message })
  }
  return {
    signature,
    ...(values as FieldValues<(typeof FACS)['fields'], 'signature' | 'length'>),
    ...(length !== data.length && { length }),
    ...(data.length > FACS.size && { trailing: toHex(data.subarray(FACS.size)) }),
    problems,
  }
}

/** @throws TypeError, RangeError naming the field at fault */
export function buildFacs(table: Facs): Uint8Array {
  const trailing = fromHex(table.trailing ?? '', 'FACS.trailing')
  const out = new Uint8Array(FACS.size + trailing.length)
  const view = new DataView(out.buffer)
  writeValues(FACS, view, 0, { ...table, signature: toHex(fromText('FACS', 'signature')) })
  FACS.fields.length.set(view, 0, table.length ?? out.length)
  out.set(trailing, FACS.size)
  return out
}

/** Every field with its byte offset. */
export function formatFacs(table: Facs): AnnotatedLine[] {
  const data = buildFacs(table)
  const view = new DataView(data.buffer)
  return [...annotate(FORM, view, 0, 0), ...annotateRaw('Trailing bytes', view, FACS.size, data.length, 0)]
}
