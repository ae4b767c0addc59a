import type { Dmar, DmarRecord, Drhd, Rmrr } from '../dmar.ts'
import { hex, type Problem } from '../problem.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { ATSR, DEVICE_SCOPE, DMAR, DRHD, DRHD_FLAGS, REMAPPING_STRUCTURE, RHSA, RMRR } from '../spec/dmar.ts'
import { DMAR_RULES } from './dmar-rules.ts'
import { extentsOf, formFindings } from './form.ts'
import { overlapsOf } from './intervals.ts'
import { lintDmarScopes } from './lint-dmar-scopes.ts'
import { inField, type LintFinding, listSome } from './rule.ts'

const PAGE = 4096n
/** The first physical address that no processor has: 2^52. */
const TOO_HIGH = 1n << 52n

/** What is wrong with a DMAR by itself. @throws DmascopeError where its fixed fields are cut off */
export function* lintDmar(bytes: Uint8Array, table: Dmar & { problems: readonly Problem[] }): Generator<LintFinding> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const extents = extentsOf(table.records, (offset) => REMAPPING_STRUCTURE.fields.length.get(view, offset))
  const shortDrhd = new Set(
    table.records.flatMap((one) => (one.kind === 'unknown' && one.type === 0 ? [one.offset ?? 0] : [])),
  )
  const form = formFindings(bytes, table.problems, extents, {
    outer: {
      ACPI_RECORD_LENGTH: DMAR_RULES.recordLength,
      ACPI_RECORD_PAST_END: DMAR_RULES.recordPastEnd,
      ACPI_TRAILING: DMAR_RULES.recordPastEnd,
      ACPI_RECORD_SHORT: DMAR_RULES.recordShort,
      ACPI_RECORD_UNKNOWN: DMAR_RULES.recordUnknown,
    },
    // Scopes are read again below, as Linux reads them.
    inner: {
      ACPI_RECORD_LENGTH: null,
      ACPI_RECORD_PAST_END: null,
      ACPI_RECORD_SHORT: null,
      ACPI_RECORD_UNKNOWN: null,
      ACPI_TRAILING: null,
    },
  })
  for (const finding of form) {
    const isDrhd = finding.rule === DMAR_RULES.recordShort && shortDrhd.has(finding.offset)
    yield isDrhd ? { ...finding, rule: DMAR_RULES.drhdShort } : finding
  }
  const affinities = extents.filter((_, index) => table.records[index]!.kind === 'RHSA')
  const leftOver = table.problems.filter(({ code }) => code === 'ACPI_TRAILING')
  yield* formFindings(bytes, leftOver, affinities, { outer: { ACPI_TRAILING: null } })
  yield* lintHead(table)
  yield* lintUnits(table.records.filter((record) => record.kind === 'DRHD'))
  const bases = new Set<bigint>()
  for (const record of table.records) {
    if (record.kind === 'DRHD') bases.add(BigInt(record.registerBaseAddress))
    if (record.kind === 'RMRR') yield* lintRegion(record, table.hostAddressWidth)
    if (record.kind === 'RHSA' && !bases.has(BigInt(record.registerBaseAddress))) {
      const message = `${recordAt(record)} is about a unit at ${hex64(record.registerBaseAddress)}; no DRHD before it has that base`
      yield inField(DMAR_RULES.rhsaNoUnit, record.offset ?? 0, RHSA.fields.registerBaseAddress, message)
    }
  }
  yield* lintAcpiDevices(table)
  yield* lintDmarScopes(bytes, table, extents)
  yield* lintReserved(table)
}

export const hex64 = (value: number | string): string => (typeof value === 'number' ? hex(value) : value)

function* lintHead(table: Dmar & { problems: readonly Problem[] }): Generator<LintFinding> {
  if (table.hostAddressWidth < 11) {
    const message = `the host address width is ${table.hostAddressWidth + 1} bits`
    yield inField(DMAR_RULES.hostAddressWidth, HEADER_SIZE, DMAR.fields.hostAddressWidth, message)
  }
  // Where a structure passes the end, nobody gets as far.
  const isCut = table.problems.some(({ code }) => code === 'ACPI_RECORD_PAST_END')
  if (!isCut && !table.records.some(({ kind }) => kind === 'DRHD')) {
    const message = 'the table describes no unit'
    yield { rule: DMAR_RULES.noDrhd, offset: HEADER_SIZE, length: DMAR.size, message }
  }
}

/** Bytes of a unit's register set. */
const registerBytes = ({ size }: Drhd): bigint => PAGE << BigInt(size & 0xf)

function* lintUnits(units: readonly Drhd[]): Generator<LintFinding> {
  const base = DRHD.fields.registerBaseAddress
  const seen = new Map<string, Drhd>()
  const placed: { start: bigint; end: bigint; item: Drhd }[] = []
  const takers = new Map<number, Drhd>()
  for (const unit of units) {
    const offset = unit.offset ?? 0
    const address = BigInt(unit.registerBaseAddress)
    const at = hex64(unit.registerBaseAddress)
    if (address === 0n)
      yield inField(DMAR_RULES.drhdAtZero, offset, base, `the ${recordAt(unit)} has its registers at 0x0`)
    else if (address >= TOO_HIGH) {
      yield inField(DMAR_RULES.drhdTooHigh, offset, base, `the ${recordAt(unit)} has its registers at ${at}`)
    } else if (address % PAGE !== 0n) {
      yield inField(DMAR_RULES.drhdUnaligned, offset, base, `the ${recordAt(unit)} has its registers at ${at}`)
    }
    const before = seen.get(`${unit.segmentNumber} ${at}`)
    if (before !== undefined) {
      const message = `the ${recordAt(unit)} has the base ${at} of the ${recordAt(before)}`
      yield inField(DMAR_RULES.drhdTwice, offset, base, message)
    } else {
      seen.set(`${unit.segmentNumber} ${at}`, unit)
      if (address !== 0n) placed.push({ start: address, end: address + registerBytes(unit), item: unit })
    }
    yield* lintTaker(unit, takers)
    if (unit.scopes.length === 0 && DRHD_FLAGS.fields.INCLUDE_PCI_ALL.get(unit.flags) === 0) {
      const message = `the ${recordAt(unit)} has no scope and does not take all`
      yield { rule: DMAR_RULES.noDevices, offset, length: DRHD.size, message }
    }
  }
  for (const [one, other] of overlapsOf(placed)) {
    const message = `the ${recordAt(other)} at ${hex64(other.registerBaseAddress)} overlaps the ${recordAt(one)} at ${hex64(one.registerBaseAddress)}`
    yield inField(DMAR_RULES.drhdsOverlap, other.offset ?? 0, base, message)
  }
}

/** `takers` has the unit with INCLUDE_PCI_ALL of each segment so far. */
function* lintTaker(unit: Drhd, takers: Map<number, Drhd>): Generator<LintFinding> {
  const offset = unit.offset ?? 0
  const taker = takers.get(unit.segmentNumber)
  const takesAll = DRHD_FLAGS.fields.INCLUDE_PCI_ALL.get(unit.flags) !== 0
  if (taker !== undefined) {
    const message = `the ${recordAt(unit)} stands behind the ${recordAt(taker)}, which takes all of segment ${unit.segmentNumber}`
    const rule = takesAll ? DMAR_RULES.allTwice : DMAR_RULES.allNotLast
    yield inField(rule, offset, DRHD.fields.flags, takesAll ? `${message}, and takes all too` : message)
  } else if (takesAll) takers.set(unit.segmentNumber, unit)
}

function* lintRegion(record: Rmrr, hostAddressWidth: number): Generator<LintFinding> {
  const offset = record.offset ?? 0
  const { reservedMemoryRegionBaseAddress: baseField, reservedMemoryRegionLimitAddress: limitField } = RMRR.fields
  const base = BigInt(record.reservedMemoryRegionBaseAddress)
  const limit = BigInt(record.reservedMemoryRegionLimitAddress)
  const shown = `${hex64(record.reservedMemoryRegionBaseAddress)} to ${hex64(record.reservedMemoryRegionLimitAddress)}`
  if (limit <= base || base % PAGE !== 0n || (limit + 1n) % PAGE !== 0n) {
    const message = `the ${recordAt(record)} spans ${shown}, which are no whole pages, first to last`
    yield { rule: DMAR_RULES.rmrrRange, offset: offset + baseField.offset, length: 16, message }
  }
  if (base === 0n) yield inField(DMAR_RULES.rmrrAtZero, offset, baseField, `the ${recordAt(record)} spans ${shown}`)
  if (hostAddressWidth < 63 && limit >> BigInt(hostAddressWidth + 1) !== 0n) {
    const message = `the ${recordAt(record)} spans ${shown}; addresses have ${hostAddressWidth + 1} bits`
    yield inField(DMAR_RULES.rmrrTooHigh, offset, limitField, message)
  }
  if (record.scopes.length === 0) {
    const message = `the ${recordAt(record)} names no device`
    yield { rule: DMAR_RULES.rmrrNoDevice, offset, length: RMRR.size, message }
  }
}

/** ANDDs, and the scopes that refer to them. */
function* lintAcpiDevices(table: Dmar): Generator<LintFinding> {
  const declared = new Map<number, DmarRecord>()
  const named = new Map<number, { offset?: number }>()
  for (const record of table.records) {
    if (record.kind !== 'DRHD') continue
    for (const scope of record.scopes) if (scope.kind === 'namespace') named.set(scope.enumerationId, scope)
  }
  for (const record of table.records) {
    if (record.kind !== 'ANDD') continue
    const offset = record.offset ?? 0
    const number = record.acpiDeviceNumber
    const name = record.acpiObjectName
    // Linux looks for a NUL within the structure, at its end or before.
    if (record.trailing === '' && !name.includes('\0')) {
      const message = `${JSON.stringify(name)} in the ${recordAt(record)} is not ended by a NUL`
      yield { rule: DMAR_RULES.anddUnterminated, offset: offset + 8, length: name.length, message }
    }
    const before = declared.get(number)
    if (before !== undefined) {
      const message = `the ${recordAt(record)} has the number ${number} of the ${recordAt(before)}`
      yield { rule: DMAR_RULES.anddTwice, offset: offset + 7, length: 1, message }
    } else if (!named.has(number)) {
      const message = `no scope of a DRHD has the number ${number} of ${JSON.stringify(name)}`
      yield { rule: DMAR_RULES.anddNoScope, offset: offset + 7, length: 1, message }
    }
    declared.set(number, record)
  }
  for (const [number, { offset = 0 }] of named) {
    if (declared.has(number)) continue
    const message = `the scope at ${hex(offset)} has the number ${number}, which no ANDD has`
    yield inField(DMAR_RULES.scopeNoAndd, offset, DEVICE_SCOPE.fields.enumerationId, message)
  }
}

const isSet = (value: number | string | undefined): boolean => value !== undefined && Number(`0x${value}`) !== 0

/** One finding for all reserved bits: it points at the first. */
function* lintReserved(table: Dmar): Generator<LintFinding> {
  const places: { offset: number; what: string }[] = []
  const check = (isWrong: boolean, offset: number, what: string): void => {
    if (isWrong) places.push({ offset, what })
  }
  check((table.flags & ~7) !== 0, HEADER_SIZE + DMAR.fields.flags.offset, 'Flags')
  check(isSet(table.reserved), HEADER_SIZE + DMAR.fields.reserved.offset, 'Reserved')
  for (const record of table.records) {
    const offset = record.offset ?? 0
    const what = `the ${recordAt(record)}`
    if (record.kind === 'DRHD') {
      check((record.flags & ~1) !== 0, offset + DRHD.fields.flags.offset, what)
      check((record.size & ~0xf) !== 0, offset + DRHD.fields.size.offset, what)
    }
    if (record.kind === 'ATSR' || record.kind === 'SATC') {
      check((record.flags & ~1) !== 0, offset + ATSR.fields.flags.offset, what)
    }
    if ('reserved' in record) check(isSet(record.reserved), offset + 4, what)
    if (!('scopes' in record)) continue
    for (const scope of record.scopes) {
      if (scope.kind !== 'unknown') check(isSet(scope.reserved), (scope.offset ?? 0) + 3, `a scope of ${what}`)
    }
  }
  const [first] = places
  if (first === undefined) return
  const message = `reserved bits are set in ${listSome([...new Set(places.map(({ what }) => what))], 4)}`
  yield { rule: DMAR_RULES.reserved, offset: first.offset, length: 1, message }
}
