import type { AnnotatedLine } from '@dmascope/layout'
import { bitsOneLess, pathText, regionText, sizeText } from './meanings.ts'
import { hex, type Problem, type TableLocation } from './problem.ts'
import { type RecordExtras, type RecordSet, recordAt, type UnknownRecord } from './records.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import {
  ANDD,
  ATSR,
  ATSR_FLAGS,
  DEVICE_SCOPE,
  DEVICE_SCOPE_FLAGS,
  DEVICE_SCOPE_HEAD,
  DEVICE_SCOPE_PATH,
  DMAR,
  DMAR_FLAGS,
  DRHD,
  DRHD_FLAGS,
  REMAPPING_STRUCTURE,
  RHSA,
  RMRR,
  SATC,
  SATC_FLAGS,
  SIDP,
} from './spec/dmar.ts'
import type { FieldValues, RecordValues, U64 } from './values.ts'

/** One step from a bus to a device function; all but the last are bridges. */
export interface ScopePath {
  device: number
  function: number
}

export type DeviceScopeKind = 'endpoint' | 'bridge' | 'ioapic' | 'hpet' | 'namespace'

/** A device that a remapping structure names. `bridge` stands for everything below it. */
export interface DeviceScopeRecord extends RecordValues<typeof DEVICE_SCOPE>, RecordExtras {
  kind: DeviceScopeKind
  path: ScopePath[]
}
export type DeviceScope = DeviceScopeRecord | UnknownRecord

interface Scoped extends RecordExtras {
  scopes: DeviceScope[]
}
export interface Drhd extends RecordValues<typeof DRHD>, Scoped {
  kind: 'DRHD'
}
export interface Rmrr extends RecordValues<typeof RMRR>, Scoped {
  kind: 'RMRR'
}
export interface Atsr extends RecordValues<typeof ATSR>, Scoped {
  kind: 'ATSR'
}
export interface Rhsa extends RecordValues<typeof RHSA>, RecordExtras {
  kind: 'RHSA'
}
export interface Andd extends RecordValues<typeof ANDD>, RecordExtras {
  kind: 'ANDD'
  /** One character a byte, without the NUL that ends it. */
  acpiObjectName: string
}
export interface Satc extends RecordValues<typeof SATC>, Scoped {
  kind: 'SATC'
}
export interface Sidp extends RecordValues<typeof SIDP>, Scoped {
  kind: 'SIDP'
}
export type DmarRecord = Drhd | Rmrr | Atsr | Rhsa | Andd | Satc | Sidp | UnknownRecord

/** The DMA remapping table. `hostAddressWidth` is one less than the number of bits; flags are `DMAR_FLAGS`. */
export interface Dmar extends ParsedTable, FieldValues<(typeof DMAR)['fields']> {
  signature: 'DMAR'
  records: DmarRecord[]
}

const scopeForm = (kind: DeviceScopeKind) =>
  ({
    kind,
    of: DEVICE_SCOPE,
    meaning: { type: SCOPE_TYPES, flags: DEVICE_SCOPE_FLAGS },
    summary: (view: DataView, base: number, end: number) =>
      pathText(DEVICE_SCOPE.fields.startBusNumber.get(view, base), view, base + DEVICE_SCOPE.size, end),
    tail: { kind: 'items', key: 'path', form: { of: DEVICE_SCOPE_PATH } },
  }) as const
const SCOPE_TYPES = {
  1: 'PCI Endpoint Device',
  2: 'PCI Sub-hierarchy',
  3: 'IOAPIC',
  4: 'MSI_CAPABLE_HPET',
  5: 'ACPI_NAMESPACE_DEVICE',
}

const DEVICE_SCOPES: RecordSet = {
  what: 'device scope',
  head: DEVICE_SCOPE_HEAD,
  kinds: {
    1: scopeForm('endpoint'),
    2: scopeForm('bridge'),
    3: scopeForm('ioapic'),
    4: scopeForm('hpet'),
    5: scopeForm('namespace'),
  },
}

const RECORD_TYPES = { 0: 'DRHD', 1: 'RMRR', 2: 'ATSR', 3: 'RHSA', 4: 'ANDD', 5: 'SATC', 6: 'SIDP' }
const registersSize = (size: number): string => `${sizeText(2 ** (12 + (size & 15)))} of registers`
const reservedSize = (_lo: number, _hi: number, view: DataView, base: number): string => {
  const { reservedMemoryRegionBaseAddress: first, reservedMemoryRegionLimitAddress: last } = RMRR.fields
  return regionText(view, base + first.offset, base + last.offset)
}
const scopes = { kind: 'records', key: 'scopes', set: DEVICE_SCOPES } as const

const REMAPPING_STRUCTURES: RecordSet = {
  what: 'remapping structure',
  head: REMAPPING_STRUCTURE,
  kinds: {
    0: {
      kind: 'DRHD',
      of: DRHD,
      meaning: { type: RECORD_TYPES, flags: DRHD_FLAGS, size: registersSize },
      tail: scopes,
    },
    1: {
      kind: 'RMRR',
      of: RMRR,
      meaning: { type: RECORD_TYPES, reservedMemoryRegionLimitAddress: reservedSize },
      tail: scopes,
    },
    2: { kind: 'ATSR', of: ATSR, meaning: { type: RECORD_TYPES, flags: ATSR_FLAGS }, tail: scopes },
    3: { kind: 'RHSA', of: RHSA, meaning: { type: RECORD_TYPES } },
    4: { kind: 'ANDD', of: ANDD, meaning: { type: RECORD_TYPES }, tail: { kind: 'text', key: 'acpiObjectName' } },
    5: { kind: 'SATC', of: SATC, meaning: { type: RECORD_TYPES, flags: SATC_FLAGS }, tail: scopes },
    6: { kind: 'SIDP', of: SIDP, meaning: { type: RECORD_TYPES }, tail: scopes },
  },
}

/** What the table is made up of. */
export const DMAR_SHAPE: TableShape = {
  signature: 'DMAR',
  body: { of: DMAR, meaning: { hostAddressWidth: bitsOneLess, flags: DMAR_FLAGS } },
  list: { kind: 'records', key: 'records', set: REMAPPING_STRUCTURES },
}

/**
 * Reads a DMAR. Damage that Linux survives or reports stands in `problems`; the result rebuilds to the same bytes.
 *
 * @param data - the table, from its signature to its end
 * @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE`
 */
export function parseDmar(data: Uint8Array, at?: TableLocation): Dmar & { problems: Problem[] } {
  const table = parseShaped(DMAR_SHAPE, data, at) as unknown as Dmar & { problems: Problem[] }
  table.problems.push(...judge(table))
  return table
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildDmar = (table: Dmar): Uint8Array => buildShaped(DMAR_SHAPE, table)

/** Every field with its byte offset. */
export const formatDmar = (table: Dmar): AnnotatedLine[] => formatShaped(DMAR_SHAPE, table)

/** What Linux warns of, or refuses, beyond the form of the table. */
function* judge(table: Dmar): Generator<Problem> {
  const units = table.records.filter((record) => record.kind === 'DRHD')
  if (units.length === 0) yield { code: 'DMAR_NO_DRHD', offset: 48, message: 'no DRHD: there is nothing to remap with' }
  const closed = new Set<number>()
  for (const record of table.records) {
    const offset = record.offset ?? 0
    if (record.kind === 'DRHD') {
      if (isNoAddress(record.registerBaseAddress)) {
        const message = `${recordAt(record)} has its registers at ${shown(record.registerBaseAddress)}`
        yield { code: 'DMAR_DRHD_ADDRESS', offset: offset + DRHD.fields.registerBaseAddress.offset, message }
      }
      // VT-d 4.1 §8.3: the unit that takes all that remains of a segment stands last for that segment.
      if (closed.has(record.segmentNumber)) {
        const message = `${recordAt(record)} stands behind the one of segment ${record.segmentNumber} with INCLUDE_PCI_ALL`
        yield { code: 'DMAR_DRHD_ORDER', offset, message }
      }
      if (DRHD_FLAGS.fields.INCLUDE_PCI_ALL.get(record.flags) !== 0) closed.add(record.segmentNumber)
    }
    if (record.kind === 'RMRR') yield* judgeRegion(record)
    if ('scopes' in record) for (const scope of record.scopes) yield* judgeScope(scope)
  }
}

const shown = (value: U64): string => (typeof value === 'number' ? hex(value) : value)
// Linux refuses a unit at zero, and one that no register answers at: all ones.
const isNoAddress = (value: U64): boolean => value === 0 || value === '0xffffffffffffffff'

function* judgeRegion(record: Rmrr): Generator<Problem> {
  const base = Number(record.reservedMemoryRegionBaseAddress)
  const limit = Number(record.reservedMemoryRegionLimitAddress)
  if (limit > base && base % 4096 === 0 && (limit + 1) % 4096 === 0) return
  const message = `${recordAt(record)} spans ${hex(base)} to ${hex(limit)}, which are no whole pages, first to last`
  yield {
    code: 'DMAR_RMRR_RANGE',
    offset: (record.offset ?? 0) + RMRR.fields.reservedMemoryRegionBaseAddress.offset,
    message,
  }
}

function* judgeScope(scope: DeviceScope): Generator<Problem> {
  if (scope.kind === 'unknown') return
  const offset = scope.offset ?? 0
  if (scope.path.length === 0) {
    yield { code: 'DMAR_SCOPE_PATH', offset, message: `device scope (${recordAt(scope)}) has no path` }
  }
  for (const [index, step] of scope.path.entries()) {
    if (step.device < 32 && step.function < 8) continue
    const message = `device scope (${recordAt(scope)}) leads to device ${hex(step.device)}, function ${hex(step.function)}`
    yield { code: 'DMAR_SCOPE_PATH', offset: offset + DEVICE_SCOPE.size + index * DEVICE_SCOPE_PATH.size, message }
  }
}
