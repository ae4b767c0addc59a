import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { RecordExtras, RecordSet, UnknownRecord } from './records.ts'
import type { ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import {
  GTDT,
  GTDT_ARM_GENERIC_WATCHDOG,
  GTDT_GT_BLOCK,
  GTDT_GT_BLOCK_TIMER,
  GTDT_PLATFORM_TIMER,
  GTDT_TIMER_FLAGS,
} from './spec/gtdt.ts'
import type { FieldValues, RecordValues } from './values.ts'

export interface GtdtGtBlock extends RecordValues<typeof GTDT_GT_BLOCK>, RecordExtras {
  kind: 'gt-block'
  timers: FieldValues<(typeof GTDT_GT_BLOCK_TIMER)['fields']>[]
}
export interface GtdtWatchdog extends RecordValues<typeof GTDT_ARM_GENERIC_WATCHDOG>, RecordExtras {
  kind: 'watchdog'
}
export type GtdtPlatformTimer = GtdtGtBlock | GtdtWatchdog | UnknownRecord

type Later = 'virtualEl2TimerGsiv' | 'virtualEl2TimerFlags'
type Values = FieldValues<(typeof GTDT)['fields']>

/** Timers of an Arm processor, and those that it shares. */
export interface Gtdt extends ParsedTable, Omit<Values, Later>, Partial<Pick<Values, Later>> {
  signature: 'GTDT'
  platformTimers: GtdtPlatformTimer[]
}

const timers = (...names: readonly string[]): Record<string, typeof GTDT_TIMER_FLAGS> =>
  Object.fromEntries(names.map((name) => [name, GTDT_TIMER_FLAGS]))

const PLATFORM_TIMERS: RecordSet = {
  what: 'platform timer structure',
  head: GTDT_PLATFORM_TIMER,
  kinds: {
    0: {
      kind: 'gt-block',
      of: GTDT_GT_BLOCK,
      tail: { kind: 'items', key: 'timers', form: { of: GTDT_GT_BLOCK_TIMER } },
    },
    1: { kind: 'watchdog', of: GTDT_ARM_GENERIC_WATCHDOG },
  },
}

const FIRST_REVISION_WITH_EL2 = 3
const BEFORE_EL2 = GTDT.fields.virtualEl2TimerGsiv.offset

/** What the table is made up of. */
export const GTDT_SHAPE: TableShape = {
  signature: 'GTDT',
  body: {
    of: GTDT,
    meaning: timers(
      'secureEl1TimerFlags',
      'nonSecureEl1TimerFlags',
      'virtualEl1TimerFlags',
      'el2TimerFlags',
      'virtualEl2TimerFlags',
    ),
  },
  bodyMinimum: BEFORE_EL2,
  bodySize: (revision) => (revision < FIRST_REVISION_WITH_EL2 ? BEFORE_EL2 : GTDT.size),
  list: { kind: 'records', key: 'platformTimers', set: PLATFORM_TIMERS },
}

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parseGtdt = (data: Uint8Array, at?: TableLocation): Gtdt & { problems: Problem[] } =>
  parseShaped(GTDT_SHAPE, data, at) as unknown as Gtdt & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildGtdt = (table: Gtdt): Uint8Array => buildShaped(GTDT_SHAPE, table)

/** Every field with its byte offset. */
export const formatGtdt = (table: Gtdt): AnnotatedLine[] => formatShaped(GTDT_SHAPE, table)
