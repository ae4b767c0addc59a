import type { AnnotatedLine } from '@dmascope/layout'
import { bdf, sizeText } from './meanings.ts'
import { hex, type Problem, type TableLocation } from './problem.ts'
import { type RecordExtras, type RecordSet, recordAt, type UnknownRecord } from './records.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import {
  IVHD_10H,
  IVHD_10H_FLAGS,
  IVHD_11H,
  IVHD_40H,
  IVHD_ACPI_HID_ENTRY,
  IVHD_ALIAS_ENTRY,
  IVHD_DEVICE_ENTRY,
  IVHD_DEVICE_ENTRY_HEAD,
  IVHD_DTE_SETTING,
  IVHD_EXTENDED_DTE_SETTING,
  IVHD_EXTENDED_ENTRY,
  IVHD_FLAGS,
  IVHD_IOMMU_ATTRIBUTES,
  IVHD_IOMMU_FEATURE_REPORTING,
  IVHD_IOMMU_INFO,
  IVHD_PAD_4,
  IVHD_PAD_8,
  IVHD_SPECIAL_ENTRY,
  IVHD_UID_FORMAT,
  IVHD_VARIETY,
  IVMD,
  IVMD_FLAGS,
  IVRS,
  IVRS_BLOCK,
  IVRS_IVINFO,
} from './spec/ivrs.ts'
import type { FieldValues, RecordValues } from './values.ts'

/** All devices of the segment, one device, or an end of a range of devices, all with the same DTE setting. */
export interface IvhdDevice extends RecordValues<typeof IVHD_DEVICE_ENTRY>, RecordExtras {
  kind: 'all' | 'select' | 'range-start' | 'range-end'
}
/** Devices whose requests bear `sourceDeviceId`. A range ends with a `range-end`. */
export interface IvhdAlias extends RecordValues<typeof IVHD_ALIAS_ENTRY>, RecordExtras {
  kind: 'alias-select' | 'alias-range-start'
}
export interface IvhdExtended extends RecordValues<typeof IVHD_EXTENDED_ENTRY>, RecordExtras {
  kind: 'extended-select' | 'extended-range-start'
}
/** An I/O APIC or HPET, whose requests bear `sourceDeviceId`. */
export interface IvhdSpecial extends RecordValues<typeof IVHD_SPECIAL_ENTRY>, RecordExtras {
  kind: 'special'
}
/** A device that the ACPI namespace has. Texts are one character a byte; a `uid` of format 1 is eight such bytes. */
export interface IvhdAcpiHid extends Omit<RecordValues<typeof IVHD_ACPI_HID_ENTRY>, 'uidLength'>, RecordExtras {
  kind: 'acpi-hid'
  uid: string
}
export interface IvhdPadding extends RecordValues<typeof IVHD_PAD_8>, RecordExtras {
  kind: 'pad-4' | 'pad-8'
}
export type IvhdEntry = IvhdDevice | IvhdAlias | IvhdExtended | IvhdSpecial | IvhdAcpiHid | IvhdPadding | UnknownRecord

interface WithEntries extends RecordExtras {
  /** In order: a range's end belongs to the start before it. */
  entries: IvhdEntry[]
}
export interface Ivhd10h extends RecordValues<typeof IVHD_10H>, WithEntries {
  kind: 'IVHD-10h'
}
export interface Ivhd11h extends RecordValues<typeof IVHD_11H>, WithEntries {
  kind: 'IVHD-11h'
}
export interface Ivhd40h extends RecordValues<typeof IVHD_40H>, WithEntries {
  kind: 'IVHD-40h'
}
/** One IOMMU and the devices behind it. One IOMMU may have a block of each type; software takes the last it knows. */
export type Ivhd = Ivhd10h | Ivhd11h | Ivhd40h

/** Memory for all devices (20h), for one (21h), or for a range of them (22h). */
export interface Ivmd extends RecordValues<typeof IVMD>, RecordExtras {
  kind: 'IVMD-20h' | 'IVMD-21h' | 'IVMD-22h'
}
export interface UnknownIvrsBlock extends UnknownRecord {
  flags: number
}
export type IvrsBlock = Ivhd | Ivmd | UnknownIvrsBlock

/** The I/O virtualization reporting structure of AMD; `IVinfo` is `IVRS_IVINFO`. */
export interface Ivrs extends ParsedTable, FieldValues<(typeof IVRS)['fields']> {
  signature: 'IVRS'
  blocks: IvrsBlock[]
}

export const isIvhd = (block: IvrsBlock): block is Ivhd => block.kind.startsWith('IVHD')
export const isIvmd = (block: IvrsBlock): block is Ivmd => block.kind.startsWith('IVMD')

const ENTRY_TYPES = {
  1: 'All',
  2: 'Select',
  3: 'Start of range',
  4: 'End of range',
  66: 'Alias select',
  67: 'Alias start of range',
  70: 'Extended select',
  71: 'Extended start of range',
  72: 'Special device',
  240: 'ACPI HID',
}
const setting = { type: ENTRY_TYPES, deviceId: bdf, sourceDeviceId: bdf, dteSetting: IVHD_DTE_SETTING }
const extended = { ...setting, extendedDteSetting: IVHD_EXTENDED_DTE_SETTING }
const device = { of: IVHD_DEVICE_ENTRY, meaning: setting }
const alias = { of: IVHD_ALIAS_ENTRY, meaning: setting }

const DEVICE_ENTRIES: RecordSet = {
  what: 'IVHD device entry',
  head: IVHD_DEVICE_ENTRY_HEAD,
  lengthOf(view, offset, left) {
    const type = view.getUint8(offset)
    if (type < 0xf0) return 4 << (type >> 6)
    if (type > 0xf0) return 0
    const { size, fields } = IVHD_ACPI_HID_ENTRY
    return left < size ? size : size + fields.uidLength.get(view, offset)
  },
  kinds: {
    0: { kind: 'pad-4', of: IVHD_PAD_4 },
    1: { kind: 'all', ...device },
    2: { kind: 'select', ...device },
    3: { kind: 'range-start', ...device },
    4: { kind: 'range-end', ...device },
    64: { kind: 'pad-8', of: IVHD_PAD_8 },
    66: { kind: 'alias-select', ...alias },
    67: { kind: 'alias-range-start', ...alias },
    70: { kind: 'extended-select', of: IVHD_EXTENDED_ENTRY, meaning: extended },
    71: { kind: 'extended-range-start', of: IVHD_EXTENDED_ENTRY, meaning: extended },
    72: { kind: 'special', of: IVHD_SPECIAL_ENTRY, meaning: { ...setting, variety: IVHD_VARIETY } },
    240: {
      kind: 'acpi-hid',
      of: IVHD_ACPI_HID_ENTRY,
      meaning: { ...setting, hardwareId: 'text', compatibleId: 'text', uidFormat: IVHD_UID_FORMAT },
      tail: { kind: 'counted-text', key: 'uid', count: 'uidLength' },
    },
  },
}

const BLOCK_TYPES = {
  16: 'IVHD',
  17: 'IVHD',
  32: 'IVMD, all devices',
  33: 'IVMD, one device',
  34: 'IVMD, range of devices',
  64: 'IVHD',
}
const entries = { kind: 'records', key: 'entries', set: DEVICE_ENTRIES } as const
const later = {
  type: BLOCK_TYPES,
  deviceId: bdf,
  flags: IVHD_FLAGS,
  iommuInfo: IVHD_IOMMU_INFO,
  iommuAttributes: IVHD_IOMMU_ATTRIBUTES,
}
const ivmd = { type: BLOCK_TYPES, flags: IVMD_FLAGS, memoryBlockLength: sizeText }
const memory = { of: IVMD, meaning: ivmd }

const BLOCKS: RecordSet = {
  what: 'IVRS block',
  head: IVRS_BLOCK,
  kinds: {
    16: {
      kind: 'IVHD-10h',
      of: IVHD_10H,
      meaning: {
        type: BLOCK_TYPES,
        deviceId: bdf,
        flags: IVHD_10H_FLAGS,
        iommuInfo: IVHD_IOMMU_INFO,
        iommuFeatureReporting: IVHD_IOMMU_FEATURE_REPORTING,
      },
      tail: entries,
    },
    17: { kind: 'IVHD-11h', of: IVHD_11H, meaning: later, tail: entries },
    64: { kind: 'IVHD-40h', of: IVHD_40H, meaning: later, tail: entries },
    32: { kind: 'IVMD-20h', ...memory },
    33: { kind: 'IVMD-21h', of: IVMD, meaning: { ...ivmd, deviceId: bdf } },
    34: { kind: 'IVMD-22h', of: IVMD, meaning: { ...ivmd, deviceId: bdf, auxiliaryData: bdf } },
  },
}

/** What the table is made up of. */
export const IVRS_SHAPE: TableShape = {
  signature: 'IVRS',
  body: { of: IVRS, meaning: { IVinfo: IVRS_IVINFO } },
  list: { kind: 'records', key: 'blocks', set: BLOCKS },
}

/**
 * Reads an IVRS. Damage that Linux survives or reports stands in `problems`; the result rebuilds to the same bytes.
 *
 * @param data - the table, from its signature to its end
 * @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE`
 */
export function parseIvrs(data: Uint8Array, at?: TableLocation): Ivrs & { problems: Problem[] } {
  const table = parseShaped(IVRS_SHAPE, data, at) as unknown as Ivrs & { problems: Problem[] }
  table.problems.push(...judge(table))
  return table
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildIvrs = (table: Ivrs): Uint8Array => buildShaped(IVRS_SHAPE, table)

/** Every field with its byte offset. */
export const formatIvrs = (table: Ivrs): AnnotatedLine[] => formatShaped(IVRS_SHAPE, table)

/** What no reader can act on, beyond the form of the table. */
function* judge(table: Ivrs): Generator<Problem> {
  if (!table.blocks.some(isIvhd)) {
    yield { code: 'IVRS_NO_IVHD', offset: 48, message: 'no IVHD: there is nothing to translate with' }
  }
  for (const block of table.blocks) {
    const offset = block.offset ?? 0
    if (isIvhd(block)) {
      if (block.iommuBaseAddress === 0) {
        const message = `${recordAt(block)} has its registers at 0x0`
        yield { code: 'IVRS_IVHD_ADDRESS', offset: offset + IVHD_10H.fields.iommuBaseAddress.offset, message }
      }
      yield* judgeRanges(block)
    }
    if (isIvmd(block)) yield* judgeMemory(block)
  }
}

function* judgeRanges(block: Ivhd): Generator<Problem> {
  const problem = (entry: IvhdEntry, message: string): Problem => ({
    code: 'IVRS_DEVICE_RANGE',
    offset: entry.offset ?? 0,
    message: `${recordAt(entry)} ${message}`,
  })
  let open: (IvhdEntry & { deviceId: number }) | undefined
  for (const entry of block.entries) {
    if ('deviceId' in entry && entry.kind.endsWith('range-start')) {
      if (open !== undefined) yield problem(open, 'has no end')
      open = entry
    } else if (entry.kind === 'range-end') {
      if (open === undefined) yield problem(entry, 'ends a range that has no start')
      else if (entry.deviceId < open.deviceId) {
        yield problem(entry, `ends at ${hex(entry.deviceId, 4)} a range that starts at ${hex(open.deviceId, 4)}`)
      }
      open = undefined
    }
  }
  if (open !== undefined) yield problem(open, 'has no end')
}

function* judgeMemory(block: Ivmd): Generator<Problem> {
  const start = Number(block.startAddress)
  const length = Number(block.memoryBlockLength)
  const offset = (block.offset ?? 0) + IVMD.fields.startAddress.offset
  if (length === 0 || start % 4096 !== 0 || length % 4096 !== 0) {
    const message = `${recordAt(block)} has ${hex(length)} bytes at ${hex(start)}, which are no whole pages`
    yield { code: 'IVRS_IVMD_RANGE', offset, message }
  }
  if (block.kind === 'IVMD-22h' && block.auxiliaryData < block.deviceId) {
    const devices = `${hex(block.deviceId, 4)} to ${hex(block.auxiliaryData, 4)}`
    yield {
      code: 'IVRS_DEVICE_RANGE',
      offset: block.offset ?? 0,
      message: `${recordAt(block)} is for devices ${devices}`,
    }
  }
}
