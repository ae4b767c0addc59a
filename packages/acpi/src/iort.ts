import type { AnnotatedLine, Struct } from '@dmascope/layout'
import { nodeAt, sizeText } from './meanings.ts'
import { type NodeList, type NodeListExtras, placeNodes } from './node-list.ts'
import type { PlacedForm } from './placed-lists.ts'
import { hex, type Problem, type TableLocation } from './problem.ts'
import { type RecordSet, recordAt, type UnknownRecord } from './records.ts'
import { HEADER_SIZE, type ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import * as spec from './spec/iort.ts'
import type { FieldValues, RecordValues } from './values.ts'

interface Positioned {
  /** Byte in the table; set when parsed, ignored when built. */
  offset?: number
}

/** IDs from `inputBase` on, one more than `numberOfIds`, go as IDs from `outputBase` on to the node at `outputReference`. */
export interface IortIdMapping extends FieldValues<(typeof spec.IORT_ID_MAPPING)['fields']>, Positioned {}

/** What all nodes have besides their own fields. Numbers and offsets of lists follow from the lists. */
interface Node extends Positioned {
  mappings: IortIdMapping[]
  /** As stored, only where the list cannot be where the node says; it is empty then. */
  numberOfIdMappings?: number
  /** As stored, only where it is not what the builder chooses: behind all else, at a multiple of four; 0 for none. */
  referenceToIdArray?: number
  /** Hexadecimal digits: what is between and behind the lists, where it is not zeros up to a multiple of four. */
  padding?: string
}

type Own<S extends Struct<object>, Listed = never> = Omit<
  RecordValues<S>,
  'numberOfIdMappings' | 'referenceToIdArray' | Extract<Listed, string>
>
/** Fields of later revisions may be absent, from some field on. */
type Growing<Values, Later extends keyof Values> = Omit<Values, Later> & Partial<Pick<Values, Later>>

export interface IortItsGroup extends Own<typeof spec.IORT_ITS_GROUP, 'numberOfItss'>, Node {
  kind: 'its-group'
  gicItsIdentifiers: number[]
  numberOfItss?: number
}

/** A path in the namespace, one character a byte; `unterminated` where no NUL ends it. */
interface Named extends Node {
  deviceObjectName: string
  unterminated?: true
}
export interface IortNamedComponent extends Own<typeof spec.IORT_NAMED_COMPONENT>, Named {
  kind: 'named-component'
}
/** The requester IDs of a PCI segment, mapped by `mappings`. */
export interface IortRootComplex
  extends Growing<
      Own<typeof spec.IORT_ROOT_COMPLEX>,
      'memoryAddressSizeLimit' | 'pasidCapabilities' | 'reserved' | 'flags'
    >,
    Node {
  kind: 'root-complex'
}
export interface IortSmmuInterrupt extends FieldValues<(typeof spec.IORT_SMMU_INTERRUPT)['fields']>, Positioned {}
export interface IortSmmuGlobalInterrupts
  extends FieldValues<(typeof spec.IORT_SMMU_GLOBAL_INTERRUPTS)['fields']>,
    Positioned {}
type SmmuListed =
  | 'referenceToGlobalInterruptArray'
  | 'numberOfContextInterrupts'
  | 'referenceToContextInterruptArray'
  | 'numberOfPmuInterrupts'
  | 'referenceToPmuInterruptArray'
export interface IortSmmu
  extends Own<typeof spec.IORT_SMMU, SmmuListed>,
    Partial<Pick<RecordValues<typeof spec.IORT_SMMU>, SmmuListed>>,
    Node {
  kind: 'smmu'
  globalInterruptArray?: IortSmmuGlobalInterrupts
  contextInterruptArray: IortSmmuInterrupt[]
  pmuInterruptArray: IortSmmuInterrupt[]
}
export interface IortSmmuv3
  extends Growing<Own<typeof spec.IORT_SMMUV3>, 'proximityDomain' | 'deviceIdMappingIndex'>,
    Node {
  kind: 'smmuv3'
}
export interface IortPmcg extends Growing<Own<typeof spec.IORT_PMCG>, 'page1BaseAddress'>, Node {
  kind: 'pmcg'
}
export interface IortMemoryRange
  extends FieldValues<(typeof spec.IORT_MEMORY_RANGE_DESCRIPTOR)['fields']>,
    Positioned {}
type RmrListed = 'numberOfMemoryRangeDescriptors' | 'referenceToMemoryRangeDescriptors'
/** Memory that the devices of `mappings` reach at its own address whatever the IOMMU's driver does. */
export interface IortRmr
  extends Own<typeof spec.IORT_RMR, RmrListed>,
    Partial<Pick<RecordValues<typeof spec.IORT_RMR>, RmrListed>>,
    Node {
  kind: 'rmr'
  memoryRangeDescriptors: IortMemoryRange[]
}
export interface IortIwb extends Own<typeof spec.IORT_IWB>, Named {
  kind: 'iwb'
}
export type IortNode =
  | IortItsGroup
  | IortNamedComponent
  | IortRootComplex
  | IortSmmu
  | IortSmmuv3
  | IortPmcg
  | IortRmr
  | IortIwb
  | UnknownRecord

/** The I/O remapping table of Arm. References to nodes are offsets from the table's start: `iortNodeOffsets`. */
export interface Iort
  extends ParsedTable,
    Omit<FieldValues<(typeof spec.IORT)['fields']>, 'nodeCount' | 'nodeOffset'>,
    NodeListExtras {
  signature: 'IORT'
  nodes: IortNode[]
}

/** One less than the number of IDs. */
const idsText = (count: number): string => (count === 0 ? '1 ID' : `${count + 1} IDs`)

const mappings = {
  key: 'mappings',
  form: {
    of: spec.IORT_ID_MAPPING,
    meaning: { numberOfIds: idsText, outputReference: nodeAt(spec.IORT_NODE_TYPE), flags: spec.IORT_ID_MAPPING_FLAGS },
  },
  place: 'referenceToIdArray',
  count: 'numberOfIdMappings',
} as const
const deviceObjectName = { kind: 'text', key: 'deviceObjectName' } as const
const interrupt = { of: spec.IORT_SMMU_INTERRUPT, meaning: { interruptFlags: spec.IORT_SMMU_INTERRUPT_FLAGS } }
const type = spec.IORT_NODE_TYPE
const access = {
  type,
  cacheCoherent: { 1: 'fully coherent' },
  allocationHints: spec.IORT_ALLOCATION_HINTS,
  memoryAccessFlags: spec.IORT_MEMORY_ACCESS_FLAGS,
}

/** The form of a node, of which every revision has the fields before `later`. */
const node = (
  kind: string,
  of: Struct<object>,
  later: string | undefined,
  more: Omit<PlacedForm, 'of' | 'minimum' | 'lists'> & { lists?: PlacedForm['lists'] },
) => ({
  kind,
  of,
  minimum: later === undefined ? of.size : (of.fields as Record<string, { offset: number }>)[later]!.offset,
  ...more,
  lists: [...(more.lists ?? []), mappings],
})

const NODES: RecordSet = {
  what: 'IORT node',
  head: spec.IORT_NODE_HEAD,
  kinds: {
    0: node('its-group', spec.IORT_ITS_GROUP, undefined, {
      meaning: { type },
      inline: {
        kind: 'values',
        key: 'gicItsIdentifiers',
        form: { of: spec.IORT_ITS_IDENTIFIER },
        count: 'numberOfItss',
      },
    }),
    1: node('named-component', spec.IORT_NAMED_COMPONENT, undefined, {
      meaning: { ...access, nodeFlags: spec.IORT_NAMED_COMPONENT_FLAGS },
      inline: deviceObjectName,
    }),
    2: node('root-complex', spec.IORT_ROOT_COMPLEX, 'memoryAddressSizeLimit', {
      meaning: {
        ...access,
        atsAttribute: spec.IORT_ATS_ATTRIBUTE,
        pasidCapabilities: spec.IORT_PASID_CAPABILITIES,
      },
    }),
    3: node('smmu', spec.IORT_SMMU, undefined, {
      meaning: { type, model: spec.IORT_SMMU_MODEL, flags: spec.IORT_SMMU_FLAGS },
      lists: [
        {
          key: 'globalInterruptArray',
          form: {
            of: spec.IORT_SMMU_GLOBAL_INTERRUPTS,
            meaning: {
              SMMU_NSgIrptFlags: spec.IORT_SMMU_INTERRUPT_FLAGS,
              SMMU_NSgCfgIrptFlags: spec.IORT_SMMU_INTERRUPT_FLAGS,
            },
          },
          place: 'referenceToGlobalInterruptArray',
        },
        {
          key: 'contextInterruptArray',
          form: interrupt,
          place: 'referenceToContextInterruptArray',
          count: 'numberOfContextInterrupts',
        },
        {
          key: 'pmuInterruptArray',
          form: interrupt,
          place: 'referenceToPmuInterruptArray',
          count: 'numberOfPmuInterrupts',
        },
      ],
    }),
    4: node('smmuv3', spec.IORT_SMMUV3, 'proximityDomain', {
      meaning: { type, model: spec.IORT_SMMUV3_MODEL, flags: spec.IORT_SMMUV3_FLAGS },
    }),
    5: node('pmcg', spec.IORT_PMCG, 'page1BaseAddress', {
      meaning: { type, nodeReference: nodeAt(spec.IORT_NODE_TYPE) },
    }),
    6: node('rmr', spec.IORT_RMR, undefined, {
      meaning: { type, flags: spec.IORT_RMR_FLAGS },
      lists: [
        {
          key: 'memoryRangeDescriptors',
          form: { of: spec.IORT_MEMORY_RANGE_DESCRIPTOR, meaning: { physicalRangeLength: sizeText } },
          place: 'referenceToMemoryRangeDescriptors',
          count: 'numberOfMemoryRangeDescriptors',
        },
      ],
    }),
    7: node('iwb', spec.IORT_IWB, undefined, { meaning: { type }, inline: deviceObjectName }),
  },
}

const LIST: NodeList = { kind: 'nodes', key: 'nodes', set: NODES }
/** What the table is made up of. */
export const IORT_SHAPE: TableShape = { signature: 'IORT', body: { of: spec.IORT }, list: LIST }

/**
 * Reads an IORT. Damage that Linux survives or reports stands in `problems`; the result rebuilds to the same bytes.
 *
 * @param data - the table, from its signature to its end
 * @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE`
 */
export function parseIort(data: Uint8Array, at?: TableLocation): Iort & { problems: Problem[] } {
  const table = parseShaped(IORT_SHAPE, data, at) as unknown as Iort & { problems: Problem[] }
  table.problems.push(...judge(table))
  return table
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildIort = (table: Iort): Uint8Array => buildShaped(IORT_SHAPE, table)

/** Every field with its byte offset. */
export const formatIort = (table: Iort): AnnotatedLine[] => formatShaped(IORT_SHAPE, table)

/** The byte in the table that each node will stand at, by index: what `outputReference` and `nodeReference` take. */
export const iortNodeOffsets = (table: Pick<Iort, 'nodes' | 'nodeOffset'>): number[] =>
  placeNodes(LIST, HEADER_SIZE + spec.IORT.size, table)

/** What IDs can be mapped to: translation and interrupt controllers. Nodes of types to come may be either. */
const TARGETS = new Set(['its-group', 'smmu', 'smmuv3', 'unknown'])

/** What Linux warns of, refuses or cannot follow, beyond the form of the table. */
function* judge(table: Iort): Generator<Problem> {
  const kinds = new Map(table.nodes.map((one) => [one.offset, one.kind]))
  for (const one of table.nodes) {
    if (one.kind === 'unknown') continue
    for (const mapping of one.mappings) yield* judgeMapping(one, mapping, kinds.get(mapping.outputReference))
    if (one.kind === 'pmcg' && !kinds.has(one.nodeReference)) {
      const offset = (one.offset ?? 0) + spec.IORT_PMCG.fields.nodeReference.offset
      const message = `${recordAt(one)} counts for a node at ${hex(one.nodeReference)}, where none is`
      yield { code: 'IORT_REFERENCE', offset, message }
    }
    if (one.kind === 'rmr') yield* judgeMemory(one)
  }
}

function* judgeMapping(from: IortNode, mapping: IortIdMapping, to: string | undefined): Generator<Problem> {
  const { offset = 0, inputBase, outputBase, numberOfIds, outputReference } = mapping
  const self = outputReference === from.offset
  if (self || to === undefined || !TARGETS.has(to)) {
    const what = self ? 'itself' : to === undefined ? 'where no node is' : `a ${to}, which takes none`
    const message = `${recordAt(from)} maps IDs to ${hex(outputReference)}, ${what}`
    yield { code: 'IORT_REFERENCE', offset: offset + spec.IORT_ID_MAPPING.fields.outputReference.offset, message }
  }
  if (Math.max(inputBase, outputBase) + numberOfIds > 0xffff_ffff) {
    const message = `${recordAt(from)} maps ${hex(numberOfIds)} IDs above ${hex(inputBase)} to those above ${hex(outputBase)}`
    yield { code: 'IORT_ID_MAPPING', offset, message: `${message}, past 0xffffffff` }
  }
}

function* judgeMemory(from: IortRmr): Generator<Problem> {
  for (const { offset = 0, physicalRangeOffset, physicalRangeLength } of from.memoryRangeDescriptors) {
    const start = Number(physicalRangeOffset)
    const length = Number(physicalRangeLength)
    if (length !== 0 && start % 0x1_0000 === 0 && length % 0x1_0000 === 0) continue
    const message = `${recordAt(from)} has ${hex(length)} bytes at ${hex(start)}, which are no whole pages of 64 KiB`
    yield { code: 'IORT_RMR_RANGE', offset, message }
  }
}
