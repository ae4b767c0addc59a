import { type Ivhd, type Ivmd, type Ivrs, type IvrsBlock, isIvhd, isIvmd } from '../ivrs.ts'
import { hex, type Problem } from '../problem.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import {
  IVHD_10H,
  IVHD_40H,
  IVHD_IOMMU_FEATURE_REPORTING,
  IVMD,
  IVMD_FLAGS,
  IVRS,
  IVRS_BLOCK,
  IVRS_IVINFO,
} from '../spec/ivrs.ts'
import { extentsOf, formFindings } from './form.ts'
import { overlapsOf } from './intervals.ts'
import { IVRS_RULES } from './ivrs-rules.ts'
import { hex64 } from './lint-dmar.ts'
import { lintIvhdEntries } from './lint-ivhd-entries.ts'
import { inField, type LintFinding, listSome } from './rule.ts'

const TYPES: Readonly<Record<string, number>> = {
  'IVHD-10h': 0x10,
  'IVHD-11h': 0x11,
  'IVHD-40h': 0x40,
  'IVMD-20h': 0x20,
  'IVMD-21h': 0x21,
  'IVMD-22h': 0x22,
}
const typeOf = (block: IvrsBlock): number => (block.kind === 'unknown' ? block.type : TYPES[block.kind]!)
/** Linux knows no later one. */
const HIGHEST_IVHD = 0x40

/** The blocks of the type that Linux takes for all units: the last that the first unit has (get_highest_supported_ivhd_type). */
export function usedIvhds({ blocks }: Ivrs): Ivhd[] {
  const [first] = blocks
  if (first === undefined || !('deviceId' in first)) return []
  let type = typeOf(first)
  for (const block of blocks) {
    if (typeOf(block) > HIGHEST_IVHD) break
    if ('deviceId' in block && block.deviceId === first.deviceId) type = typeOf(block)
  }
  return blocks.filter(isIvhd).filter((block) => typeOf(block) === type)
}

/** What is wrong with an IVRS by itself. */
export function* lintIvrs(bytes: Uint8Array, table: Ivrs & { problems: readonly Problem[] }): Generator<LintFinding> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const extents = extentsOf(table.blocks, (offset) => IVRS_BLOCK.fields.length.get(view, offset))
  yield* formFindings(bytes, table.problems, extents, {
    checksum: IVRS_RULES.checksum,
    outer: {
      ACPI_RECORD_LENGTH: IVRS_RULES.blockLength,
      ACPI_RECORD_PAST_END: IVRS_RULES.blockPastEnd,
      ACPI_TRAILING: IVRS_RULES.blockPastEnd,
      ACPI_RECORD_SHORT: IVRS_RULES.blockShort,
      ACPI_RECORD_UNKNOWN: IVRS_RULES.blockUnknown,
    },
    inner: {
      ACPI_RECORD_LENGTH: IVRS_RULES.entryLength,
      ACPI_RECORD_PAST_END: IVRS_RULES.entryPastEnd,
      ACPI_RECORD_SHORT: IVRS_RULES.entryPastEnd,
      ACPI_RECORD_UNKNOWN: null,
    },
  })
  yield* lintRevision(table)
  const used = usedIvhds(table)
  if (used.length === 0 && !table.problems.some(({ code }) => code === 'ACPI_RECORD_PAST_END')) {
    const message = table.blocks.some(isIvhd)
      ? 'the first block decides which is used, and it is no IVHD'
      : 'the table describes no unit'
    yield { rule: IVRS_RULES.noIvhd, offset: HEADER_SIZE, length: IVRS.size, message }
  }
  yield* lintUnits(table, used)
  const isUsed = new Set(used)
  for (const block of table.blocks) {
    if (isIvhd(block)) yield* lintIvhdEntries(block, isUsed.has(block))
    if (isIvmd(block)) yield* lintMemory(block)
  }
  yield* lintSouthbridge(used)
  yield* lintReserved(table)
}

function* lintRevision({ header, blocks }: Ivrs): Generator<LintFinding> {
  const message = `the revision is ${header.revision}`
  if (header.revision !== 1 && header.revision !== 2) {
    yield { rule: IVRS_RULES.revision, offset: 8, length: 1, message }
  }
  const late = blocks.find(({ kind }) => kind === 'IVHD-40h')
  if (late !== undefined && header.revision === 1) {
    yield {
      rule: IVRS_RULES.revisionOf40h,
      offset: 8,
      length: 1,
      message: `${message}, and ${recordAt(late)} is there`,
    }
  }
}

/** Bytes of registers that every unit has, and those of one with performance counters. */
const REGISTERS = 0x4000n
const REGISTERS_WITH_COUNTERS = 0x8_0000n
/** PCSup of the extended feature register. */
const PC_SUP = 1n << 9n

/** As much as Linux reserves (init_iommu_one). */
function registerBytes(unit: Ivhd): bigint {
  if (unit.kind !== 'IVHD-10h') {
    return (BigInt(unit.efrRegisterImage) & PC_SUP) === 0n ? REGISTERS : REGISTERS_WITH_COUNTERS
  }
  const { PNCounters, PNBanks } = IVHD_IOMMU_FEATURE_REPORTING.fields
  const hasCounters = PNCounters.get(unit.iommuFeatureReporting) !== 0 && PNBanks.get(unit.iommuFeatureReporting) !== 0
  return hasCounters ? REGISTERS_WITH_COUNTERS : REGISTERS
}

function* lintUnits(table: Ivrs, used: readonly Ivhd[]): Generator<LintFinding> {
  const field = IVHD_10H.fields.iommuBaseAddress
  const bases = new Map<string, Ivhd>()
  const served = new Set(used.map((unit) => `${unit.pciSegmentGroup} ${unit.deviceId}`))
  for (const unit of table.blocks.filter(isIvhd)) {
    const offset = unit.offset ?? 0
    const address = BigInt(unit.iommuBaseAddress)
    const message = `the ${recordAt(unit)} has its registers at ${hex64(unit.iommuBaseAddress)}`
    if (address === 0n) yield inField(IVRS_RULES.baseZero, offset, field, message)
    else if (address % REGISTERS !== 0n) yield inField(IVRS_RULES.baseUnaligned, offset, field, message)
    const key = `${unit.pciSegmentGroup} ${unit.deviceId}`
    const before = bases.get(key)
    if (before !== undefined && before.iommuBaseAddress !== unit.iommuBaseAddress) {
      const other = `${recordAt(before)}, of the same unit, at ${hex64(before.iommuBaseAddress)}`
      yield inField(IVRS_RULES.basesDiffer, offset, field, `${message}, and the ${other}`)
    }
    if (before === undefined && used.length > 0 && !served.has(key)) {
      const text = `the unit ${hex(unit.deviceId, 4)} has no ${used[0]!.kind}, which Linux takes for all`
      yield inField(IVRS_RULES.typeMissing, offset, IVHD_10H.fields.type, text)
    }
    bases.set(key, unit)
  }
  const placed = used
    .filter(({ iommuBaseAddress }) => BigInt(iommuBaseAddress) !== 0n)
    .map((unit) => {
      const start = BigInt(unit.iommuBaseAddress)
      return { start, end: start + registerBytes(unit), item: unit }
    })
  for (const [one, other] of overlapsOf(placed)) {
    const message = `the ${recordAt(other)} at ${hex64(other.iommuBaseAddress)} overlaps the ${recordAt(one)} at ${hex64(one.iommuBaseAddress)}`
    yield inField(IVRS_RULES.basesOverlap, other.offset ?? 0, field, message)
  }
}

const SOUTHBRIDGE = 0xa0

function* lintSouthbridge(used: readonly Ivhd[]): Generator<LintFinding> {
  const [first] = used
  if (first === undefined) return
  const apics = used.flatMap(({ entries }) =>
    entries.filter((entry) => entry.kind === 'special' && entry.variety === 1),
  )
  if (apics.some((entry) => 'sourceDeviceId' in entry && entry.sourceDeviceId === SOUTHBRIDGE)) return
  const message =
    apics.length === 0 ? 'no I/O APIC is named' : `${apics.length} I/O APICs are named, none of them at 00:14.0`
  yield { rule: IVRS_RULES.noSouthbridge, offset: first.offset ?? 0, length: IVHD_10H.size, message }
}

function* lintMemory(block: Ivmd): Generator<LintFinding> {
  const offset = block.offset ?? 0
  const start = BigInt(block.startAddress)
  const length = BigInt(block.memoryBlockLength)
  const where = `${hex64(block.memoryBlockLength)} bytes at ${hex64(block.startAddress)}`
  if (length === 0n || start % 4096n !== 0n || length % 4096n !== 0n) {
    const message = `the ${recordAt(block)} has ${where}, which are no whole pages`
    yield { rule: IVRS_RULES.ivmdRange, offset: offset + IVMD.fields.startAddress.offset, length: 16, message }
  }
  if (block.kind === 'IVMD-22h' && block.auxiliaryData < block.deviceId) {
    const message = `the ${recordAt(block)} is for devices ${hex(block.deviceId, 4)} to ${hex(block.auxiliaryData, 4)}`
    yield { rule: IVRS_RULES.range, offset: offset + IVMD.fields.deviceId.offset, length: 4, message }
  }
  const { Unity, IR, IW, ExclRange } = IVMD_FLAGS.fields
  const flag = (bit: typeof Unity): boolean => bit.get(block.flags) !== 0
  if (!flag(ExclRange) && !(flag(Unity) && (flag(IR) || flag(IW)))) {
    const message = `the ${recordAt(block)} has flags ${hex(block.flags, 2)} for ${where}`
    yield inField(IVRS_RULES.ivmdNoUse, offset, IVMD.fields.flags, message)
  }
}

const isSet = (value: number | string | undefined): boolean => value !== undefined && Number(`0x${value}`) !== 0
const KNOWN_IVINFO = Object.values(IVRS_IVINFO.fields).reduce((mask, field) => mask | field.loMask, 0)

/** One finding for all reserved bits: it points at the first. */
function* lintReserved(table: Ivrs): Generator<LintFinding> {
  const places: { offset: number; what: string }[] = []
  const check = (isWrong: boolean, offset: number, what: string): void => {
    if (isWrong) places.push({ offset, what })
  }
  check((table.IVinfo & ~KNOWN_IVINFO) !== 0, HEADER_SIZE, 'IVinfo')
  check(isSet(table.reserved), HEADER_SIZE + IVRS.fields.reserved.offset, 'Reserved')
  for (const block of table.blocks) {
    const offset = block.offset ?? 0
    const what = `the ${recordAt(block)}`
    if (isIvhd(block)) {
      check((block.iommuInfo & ~0x1f1f) !== 0, offset + IVHD_10H.fields.iommuInfo.offset, what)
      if (block.kind !== 'IVHD-10h') {
        check((block.flags & 0xc0) !== 0, offset + IVHD_40H.fields.flags.offset, what)
        check((block.iommuAttributes & ~0x0fff_e000) !== 0, offset + IVHD_40H.fields.iommuAttributes.offset, what)
      }
    } else if (isIvmd(block)) {
      check((block.flags & 0xf0) !== 0, offset + IVMD.fields.flags.offset, what)
      check(isSet(block.reserved), offset + IVMD.fields.reserved.offset, what)
    }
  }
  const [first] = places
  if (first === undefined) return
  const message = `reserved bits are set in ${listSome([...new Set(places.map(({ what }) => what))], 4)}`
  yield { rule: IVRS_RULES.reserved, offset: first.offset, length: 1, message }
}
