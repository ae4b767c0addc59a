import type { Iort, IortIdMapping, IortNode, IortSmmuv3 } from '../iort.ts'
import { hex } from '../problem.ts'
import { recordAt } from '../records.ts'
import * as spec from '../spec/iort.ts'
import { overlapsOf } from './intervals.ts'
import { IORT_RULES } from './iort-rules.ts'
import { inField, type LintFinding } from './rule.ts'

type KnownNode = Exclude<IortNode, { kind: 'unknown' }>

/** What IDs can be mapped to. Nodes of types to come may take some. */
const TARGETS = new Set(['its-group', 'smmu', 'smmuv3', 'unknown'])
const FIELDS = spec.IORT_ID_MAPPING.fields

/** The mapping for an SMMUv3's own messages; null where it has none (iort_get_id_mapping_index). */
function ownMapping(node: IortSmmuv3): number | null {
  if (node.revision < 1) return null
  if (node.revision < 5) {
    const isWired = [node.eventGsiv, node.priGsiv, node.gerrGsiv, node.syncGsiv].every((gsiv) => gsiv !== 0)
    if (isWired) return null
  } else if (spec.IORT_SMMUV3_FLAGS.fields.DEVICEID_MAPPING_INDEX_VALID.get(node.flags) === 0) return null
  return node.deviceIdMappingIndex ?? 0
}

const isSingle = ({ flags }: IortIdMapping): boolean =>
  spec.IORT_ID_MAPPING_FLAGS.fields.SINGLE_MAPPING.get(flags) !== 0

/** What is wrong with the ID mappings of an IORT. */
export function* lintIortMappings(table: Iort): Generator<LintFinding> {
  const nodes = new Map(table.nodes.map((node) => [node.offset ?? 0, node]))
  for (const node of table.nodes) {
    if (node.kind === 'unknown' || node.kind === 'its-group') continue
    const own = node.kind === 'smmuv3' ? ownMapping(node) : null
    // Below revision 5 an index may be left at 0 by a node that has no mapping at all: it sends no messages.
    if (own !== null && own >= node.mappings.length) {
      if (node.kind === 'smmuv3') yield indexFinding(node, own)
    }
    for (const [index, mapping] of node.mappings.entries()) {
      yield* lintMapping(node, mapping, nodes)
      const isOwn = index === own || (node.kind === 'pmcg' && index === 0 && node.overflowInterruptGsiv === 0)
      const isRanged = node.kind === 'smmu' || node.kind === 'smmuv3'
      if (isOwn && !isSingle(mapping)) {
        const message = `mapping ${index} of the ${recordAt(node)} is for its own messages, and is not single`
        yield inField(IORT_RULES.msiMapping, mapping.offset ?? 0, FIELDS.flags, message)
      } else if (!isOwn && isRanged && isSingle(mapping)) {
        const message = `mapping ${index} of the ${recordAt(node)} is single`
        yield inField(IORT_RULES.singleMapping, mapping.offset ?? 0, FIELDS.flags, message)
      }
    }
    yield* lintInputs(node, own)
  }
  yield* lintCircles(table, nodes)
}

function indexFinding(node: IortSmmuv3, own: number): LintFinding {
  const message = `the ${recordAt(node)} has its own mapping at index ${own}, and ${node.mappings.length} mappings`
  return inField(IORT_RULES.deviceIdIndex, node.offset ?? 0, spec.IORT_SMMUV3.fields.deviceIdMappingIndex, message)
}

function* lintMapping(
  from: KnownNode,
  mapping: IortIdMapping,
  nodes: ReadonlyMap<number, IortNode>,
): Generator<LintFinding> {
  const { offset = 0, inputBase, outputBase, numberOfIds, outputReference } = mapping
  const target = nodes.get(outputReference)
  const maps = `the ${recordAt(from)} maps IDs to ${hex(outputReference)}`
  if (outputReference === 0) yield inField(IORT_RULES.nullReference, offset, FIELDS.outputReference, maps)
  else if (target === undefined || (!TARGETS.has(target.kind) && target !== from)) {
    const what = target === undefined ? 'where no node starts' : `a ${target.kind}, which takes none`
    yield inField(IORT_RULES.reference, offset, FIELDS.outputReference, `${maps}, ${what}`)
  }
  if (!isSingle(mapping) && Math.max(inputBase, outputBase) + numberOfIds > 0xffff_ffff) {
    const message = `the ${recordAt(from)} maps ${hex(numberOfIds)} and one more IDs from ${hex(inputBase)} to ${hex(outputBase)}`
    yield { rule: IORT_RULES.idsOverflow, offset, length: 12, message }
  }
}

function* lintInputs(node: KnownNode, own: number | null): Generator<LintFinding> {
  if (node.kind === 'rmr' || node.kind === 'pmcg') return
  const placed = node.mappings
    .filter((mapping, index) => index !== own && !isSingle(mapping))
    .map((item) => ({
      start: BigInt(item.inputBase),
      end: BigInt(item.inputBase) + BigInt(item.numberOfIds) + 1n,
      item,
    }))
  for (const [one, other] of overlapsOf(placed)) {
    const last = hex(one.inputBase + one.numberOfIds)
    const message = `the ${recordAt(node)} maps IDs from ${hex(other.inputBase)} on, and those up to ${last} elsewhere`
    yield { rule: IORT_RULES.overlap, offset: other.offset ?? 0, length: 8, message }
  }
}

const DONE = -1
/** Nodes of a circle that a message names. */
const MOST_NAMED = 4

/** Each node that can be reached from itself, once. */
function* lintCircles(table: Iort, nodes: ReadonlyMap<number, IortNode>): Generator<LintFinding> {
  /** How deep a node stands on the way that is followed; DONE where all behind it was. */
  const depths = new Map<IortNode, number>()
  const targetsOf = (node: IortNode): IortNode[] =>
    node.kind === 'unknown' || node.kind === 'its-group'
      ? []
      : [...new Set(node.mappings.map(({ outputReference }) => nodes.get(outputReference)))].filter(
          (one) => one !== undefined,
        )
  for (const start of table.nodes) {
    if (depths.has(start)) continue
    const stack = [{ node: start, left: targetsOf(start) }]
    depths.set(start, 0)
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.left.pop()
      if (next === undefined) {
        depths.set(top.node, DONE)
        stack.pop()
      } else if ((depths.get(next) ?? DONE) !== DONE) {
        const from = depths.get(next)!
        const names = stack.slice(from, from + MOST_NAMED).map(({ node }) => recordAt(node))
        const more = stack.length - from - names.length
        const way = `${names.join(' to the ')}${more > 0 ? `, ${more} more` : ''}`
        const message = `IDs go from the ${way} and back`
        yield { rule: IORT_RULES.circle, offset: next.offset ?? 0, length: spec.IORT_ITS_GROUP.size - 4, message }
      } else if (!depths.has(next)) {
        depths.set(next, stack.length)
        stack.push({ node: next, left: targetsOf(next) })
      }
    }
  }
}
