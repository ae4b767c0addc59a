import {
  type Iort,
  type IortIdMapping,
  type IortNode,
  type IortRootComplex,
  type IortSmmuv3,
  iortNodeOffsets,
  parseIort,
} from '@dmascope/acpi'
import { type AcpiTables, tryParse } from '../early/acpi-tables.ts'
import { ofSmmu, type SmmuSource, type SmmuTables } from '../iommu/arm-smmu-v3/smmu-tables.ts'
import type { ArmPlatform } from './arm-platform.ts'

/** Where messages of a requester go. */
interface ItsPlace {
  /** The ITS's number, as the MADT has it. */
  readonly its: number
  readonly deviceId: number
  readonly by: string
}

/** What an IORT says of SMMUs and of ITSs. */
export interface IortPlatform {
  /** Null where it names no SMMUv3. */
  readonly smmu: SmmuTables | null
  readonly faultInterrupts: ArmPlatform['faultInterrupts']
  itsOf(segment: number, requester: number): ItsPlace | null
}

const COHACC_OVERRIDE = 1
const SINGLE_MAPPING = 1
/** Nodes on the way from a root complex; a table that goes round in circles ends. */
const MOST_STEPS = 16

type Mapped = Extract<IortNode, { mappings: IortIdMapping[] }>
const isMapped = (node: IortNode | undefined): node is Mapped => node !== undefined && 'mappings' in node

/** Reads the IORT. Null where there is none, or none that can be read. */
export function readIort(tables: AcpiTables, log: (line: string) => void): IortPlatform | null {
  const found = tables.find('IORT')
  const iort = found && tryParse(() => parseIort(found.bytes, { address: found.address }), log)
  if (!found || !iort) return null
  const nodes = nodesByOffset(iort)
  const smmus = new Map<IortSmmuv3, SmmuSource>()
  for (const [offset, node] of nodes) {
    if (node.kind !== 'smmuv3') continue
    smmus.set(node, {
      // Linux numbers the platform devices that it makes of such nodes.
      name: `arm-smmu-v3.${smmus.size}.auto`,
      base: Number(node.baseAddress),
      coherent: (node.flags & COHACC_OVERRIDE) !== 0,
      source: `IORT @0x${found.address.toString(16)} +0x${offset.toString(16)}`,
    })
  }
  const bridgeOf = (segment: number): IortRootComplex | undefined =>
    iort.nodes.find(
      (node): node is IortRootComplex => node.kind === 'root-complex' && node.pciSegmentNumber === segment,
    )
  return {
    smmu: smmus.size === 0 ? null : smmuTables(nodes, smmus, bridgeOf),
    faultInterrupts: [...smmus.keys()]
      .flatMap(({ eventGsiv, gerrGsiv }) => [eventGsiv, gerrGsiv])
      .filter((intid) => intid !== 0)
      .map((intid) => ({ intid, trigger: 'edge' as const })),
    itsOf(segment, requester) {
      const end = follow(nodes, bridgeOf(segment), requester, 'its-group')
      const its = end?.node.kind === 'its-group' ? end.node.gicItsIdentifiers[0] : undefined
      if (end === null || its === undefined) return null
      return { its, deviceId: end.id, by: `IORT, device 0x${end.id.toString(16)} of ITS ${its}` }
    },
  }
}

function nodesByOffset(iort: Iort): Map<number, IortNode> {
  const offsets = iortNodeOffsets(iort)
  return new Map(iort.nodes.map((node, index) => [node.offset ?? offsets[index] ?? 0, node]))
}

function smmuTables(
  nodes: ReadonlyMap<number, IortNode>,
  smmus: ReadonlyMap<IortSmmuv3, SmmuSource>,
  bridgeOf: (segment: number) => IortRootComplex | undefined,
): SmmuTables {
  return {
    smmus: [...smmus.values()],
    acsRequested: true,
    streamOf(segment, requester) {
      const end = follow(nodes, bridgeOf(segment), requester, 'smmuv3')
      const smmu = end?.node.kind === 'smmuv3' ? smmus.get(end.node) : undefined
      if (end === null || smmu === undefined) return null
      return {
        smmu,
        stream: end.id,
        by: `IORT, stream 0x${end.id.toString(16)}${ofSmmu(smmu, smmus.size)}`,
        source: smmu.source,
      }
    },
  }
}

/** Follows the mappings of an ID up to a node of a kind, as Linux's `iort_node_map_id` does. Null where none leads there. */
function follow(
  nodes: ReadonlyMap<number, IortNode>,
  from: IortNode | undefined,
  requester: number,
  kind: IortNode['kind'],
): { readonly node: IortNode; readonly id: number } | null {
  let node = from
  let id = requester
  for (let step = 0; step < MOST_STEPS; step++) {
    if (node?.kind === kind) return { node, id }
    if (!isMapped(node)) return null
    const next = map(node.mappings, id)
    if (next === null) return null
    node = nodes.get(next.reference)
    id = next.id
  }
  return null
}

/**
 * The mapping of an ID. The last ID of a range may be there by mistake, since tables have been written whose counts are
 * one too many: any other range that has it goes before.
 */
function map(
  mappings: readonly IortIdMapping[],
  id: number,
): { readonly reference: number; readonly id: number } | null {
  let doubtful: { reference: number; id: number } | null = null
  for (const { inputBase, numberOfIds, outputBase, outputReference, flags } of mappings) {
    // A single mapping is for what the node itself sends.
    if ((flags & SINGLE_MAPPING) !== 0) continue
    if (id < inputBase || id > inputBase + numberOfIds) continue
    const found = { reference: outputReference, id: outputBase + (id - inputBase) }
    if (numberOfIds === 0 || id < inputBase + numberOfIds) return found
    doubtful = found
  }
  return doubtful
}
