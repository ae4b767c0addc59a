import type { Ivhd, IvhdAcpiHid, IvhdEntry } from '../ivrs.ts'
import { hex } from '../problem.ts'
import { recordAt } from '../records.ts'
import { IVHD_10H, IVHD_11H, IVHD_ACPI_HID_ENTRY, IVHD_SPECIAL_ENTRY } from '../spec/ivrs.ts'
import { IVRS_RULES } from './ivrs-rules.ts'
import { inField, type LintFinding } from './rule.ts'

/** Entries that make Linux know a device ID (find_last_devid_from_ivhd). */
const NAMES_DEVICES = new Set(['all', 'select', 'range-end', 'alias-select', 'extended-select'])

/** What is wrong with the device entries of an IVHD; `isUsed` where Linux takes this IVHD. */
export function* lintIvhdEntries(block: Ivhd, isUsed: boolean): Generator<LintFinding> {
  const offset = block.offset ?? 0
  if (isUsed && !block.entries.some(({ kind }) => NAMES_DEVICES.has(kind))) {
    const size = block.kind === 'IVHD-10h' ? IVHD_10H.size : IVHD_11H.size
    const message = `the ${recordAt(block)} names no device in its ${block.entries.length} entries`
    yield { rule: IVRS_RULES.noDevice, offset, length: size, message }
  }
  yield* lintRanges(block)
  for (const entry of block.entries) {
    const at = entry.offset ?? 0
    if (entry.kind === 'unknown') {
      const isEndless = entry.type >= 0x80
      const message = `an entry of the ${recordAt(block)} is of type ${hex(entry.type, 2)}`
      // Linux steps through the entries of the IVHDs that it takes, and of no others.
      const rule = isEndless && isUsed ? IVRS_RULES.entryLength : IVRS_RULES.entryUnknown
      yield { rule, offset: at, length: 4, message }
    } else if (entry.kind === 'special' && entry.variety !== 1 && entry.variety !== 2) {
      const message = `a special device of the ${recordAt(block)} is of variety ${entry.variety}`
      yield inField(IVRS_RULES.specialVariety, at, IVHD_SPECIAL_ENTRY.fields.variety, message)
    } else if (entry.kind === 'acpi-hid') yield* lintName(block, entry)
  }
}

function* lintRanges(block: Ivhd): Generator<LintFinding> {
  const finding = ({ offset = 0 }: IvhdEntry, message: string): LintFinding => ({
    rule: IVRS_RULES.range,
    offset,
    length: 4,
    message: `the ${recordAt(block)} ${message}`,
  })
  let open: (IvhdEntry & { deviceId: number }) | undefined
  for (const entry of block.entries) {
    if ('deviceId' in entry && entry.kind.endsWith('range-start')) {
      if (open !== undefined) yield finding(open, `starts a range at ${hex(open.deviceId, 4)} and does not end it`)
      open = entry
    } else if (entry.kind === 'range-end') {
      const end = hex(entry.deviceId, 4)
      if (open === undefined) yield finding(entry, `ends a range at ${end} that it did not start`)
      else if (entry.deviceId < open.deviceId) {
        yield finding(entry, `ends at ${end} a range that starts at ${hex(open.deviceId, 4)}`)
      }
      open = undefined
    }
  }
  if (open !== undefined) yield finding(open, `starts a range at ${hex(open.deviceId, 4)} and does not end it`)
}

function* lintName(block: Ivhd, entry: IvhdAcpiHid): Generator<LintFinding> {
  const offset = entry.offset ?? 0
  const { hardwareId, uidFormat, uid } = entry
  if (block.kind !== 'IVHD-40h') {
    const message = `the ${recordAt(block)} has the ACPI device ${JSON.stringify(hardwareId)}`
    yield { rule: IVRS_RULES.hidPlace, offset, length: IVHD_ACPI_HID_ENTRY.size, message }
  }
  const fields = IVHD_ACPI_HID_ENTRY.fields
  if (hardwareId === '' || hardwareId.startsWith('\0')) {
    const message = `an ACPI device of the ${recordAt(block)} has no hardware ID`
    yield inField(IVRS_RULES.hidName, offset, fields.hardwareId, message)
  }
  const isWrong = uidFormat > 2 || (uidFormat === 0 && uid.length > 0) || (uidFormat === 1 && uid.length !== 8)
  if (isWrong) {
    const message = `${JSON.stringify(hardwareId)} has a UID of format ${uidFormat} with ${uid.length} bytes`
    yield { rule: IVRS_RULES.hidName, offset: offset + fields.uidFormat.offset, length: 2, message }
  }
}
