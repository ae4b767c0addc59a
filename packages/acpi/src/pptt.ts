import type { AnnotatedLine } from '@dmascope/layout'
import type { Problem, TableLocation } from './problem.ts'
import type { RecordSet, UnknownRecord } from './records.ts'
import { HEADER_SIZE, type ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import {
  PPTT_CACHE,
  PPTT_CACHE_ATTRIBUTES,
  PPTT_CACHE_FLAGS,
  PPTT_HEAD,
  PPTT_PRIVATE_RESOURCE,
  PPTT_PROCESSOR,
  PPTT_PROCESSOR_FLAGS,
} from './spec/pptt.ts'
import type { RecordValues } from './values.ts'

/** What is told of a record besides its fields. */
interface Extras {
  /** Byte in the table; set when parsed, ignored when built. */
  offset?: number
  /** Bytes behind the last field, as hexadecimal digits. */
  padding?: string
}

/** A package, cluster, core or thread. `parent` and resources are offsets from the table's start. */
export interface PpttProcessor extends Omit<RecordValues<typeof PPTT_PROCESSOR>, 'numberOfPrivateResources'>, Extras {
  kind: 'processor'
  /** Only where it is not the number of resources. */
  numberOfPrivateResources?: number
  privateResources: number[]
}
type CacheValues = RecordValues<typeof PPTT_CACHE>
export interface PpttCache extends Omit<CacheValues, 'cacheId'>, Partial<Pick<CacheValues, 'cacheId'>>, Extras {
  kind: 'cache'
}
export type PpttRecord = PpttProcessor | PpttCache | UnknownRecord

/** How processors hang together, and what they share. */
export interface Pptt extends ParsedTable {
  signature: 'PPTT'
  records: PpttRecord[]
}

const STRUCTURES: RecordSet = {
  what: 'processor topology structure',
  head: PPTT_HEAD,
  kinds: {
    0: {
      kind: 'processor',
      of: PPTT_PROCESSOR,
      meaning: { flags: PPTT_PROCESSOR_FLAGS },
      minimum: PPTT_PROCESSOR.size,
      alignment: 1,
      inline: {
        kind: 'values',
        key: 'privateResources',
        form: { of: PPTT_PRIVATE_RESOURCE },
        count: 'numberOfPrivateResources',
      },
      lists: [],
    },
    1: {
      kind: 'cache',
      of: PPTT_CACHE,
      meaning: { flags: PPTT_CACHE_FLAGS, attributes: PPTT_CACHE_ATTRIBUTES },
      minimum: PPTT_CACHE.fields.cacheId.offset,
      alignment: 1,
      lists: [],
    },
  },
}

/** What the table is made up of. */
export const PPTT_SHAPE: TableShape = {
  signature: 'PPTT',
  list: { kind: 'records', key: 'records', set: STRUCTURES },
}

/** Where the first structure stands: what a child of the first node has for a parent. */
export const PPTT_FIRST = HEADER_SIZE

/** @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE` */
export const parsePptt = (data: Uint8Array, at?: TableLocation): Pptt & { problems: Problem[] } =>
  parseShaped(PPTT_SHAPE, data, at) as unknown as Pptt & { problems: Problem[] }

/** @throws TypeError, RangeError naming the field at fault */
export const buildPptt = (table: Pptt): Uint8Array => buildShaped(PPTT_SHAPE, table)

/** Every field with its byte offset. */
export const formatPptt = (table: Pptt): AnnotatedLine[] => formatShaped(PPTT_SHAPE, table)
