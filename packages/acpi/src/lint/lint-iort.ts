import type { Iort, IortNamedComponent, IortNode, IortRmr, IortRootComplex, IortSmmu, IortSmmuv3 } from '../iort.ts'
import { hex, type Problem } from '../problem.ts'
import { recordAt } from '../records.ts'
import * as spec from '../spec/iort.ts'
import { extentsOf, formFindings } from './form.ts'
import { overlapsOf } from './intervals.ts'
import { IORT_RULES } from './iort-rules.ts'
import { hex64 } from './lint-dmar.ts'
import { lintIortMappings } from './lint-iort-mappings.ts'
import { lintIortReserved } from './lint-iort-reserved.ts'
import { inField, type LintFinding } from './rule.ts'

/** The last revision of each node that DEN 0049E.g has. */
const REVISIONS: Readonly<Record<string, number>> = {
  'its-group': 1,
  'named-component': 4,
  'root-complex': 4,
  smmu: 3,
  smmuv3: 5,
  pmcg: 2,
  rmr: 3,
  iwb: 0,
}

/** What is wrong with an IORT by itself. */
export function* lintIort(bytes: Uint8Array, table: Iort & { problems: readonly Problem[] }): Generator<LintFinding> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const extents = extentsOf(table.nodes, (offset) => spec.IORT_NODE_HEAD.fields.length.get(view, offset))
  yield* formFindings(bytes, table.problems, extents, {
    outer: {
      ACPI_NODE_OFFSET: IORT_RULES.nodeOffset,
      ACPI_NODE_COUNT: IORT_RULES.nodePastEnd,
      ACPI_RECORD_LENGTH: IORT_RULES.nodeLength,
      ACPI_RECORD_PAST_END: IORT_RULES.nodePastEnd,
      ACPI_RECORD_SHORT: IORT_RULES.nodeShort,
      ACPI_RECORD_UNKNOWN: IORT_RULES.nodeUnknown,
      ACPI_TRAILING: IORT_RULES.nodeCount,
    },
    inner: { ACPI_LIST_PLACE: IORT_RULES.listPlace, ACPI_TRAILING: IORT_RULES.name },
  })
  const starts = new Set(table.nodes.map(({ offset }) => offset))
  const identifiers = new Map<number, IortNode>()
  const segments = new Map<number, IortNode>()
  for (const node of table.nodes) {
    if (node.kind === 'unknown') continue
    const offset = node.offset ?? 0
    const last = REVISIONS[node.kind]!
    if (node.revision > last) {
      const message = `the ${recordAt(node)} is of revision ${node.revision}; ${last} is known`
      yield inField(IORT_RULES.nodeRevision, offset, spec.IORT_ITS_GROUP.fields.revision, message)
    }
    const before = identifiers.get(node.identifier)
    if (before !== undefined && table.header.revision > 0) {
      const message = `the ${recordAt(node)} has the identifier ${node.identifier} of the ${recordAt(before)}`
      yield inField(IORT_RULES.identifierTwice, offset, spec.IORT_ITS_GROUP.fields.identifier, message)
    }
    identifiers.set(node.identifier, before ?? node)
    if (node.kind === 'root-complex') {
      const first = segments.get(node.pciSegmentNumber)
      if (first !== undefined) {
        const message = `the ${recordAt(node)} has segment ${node.pciSegmentNumber} of the ${recordAt(first)}`
        yield inField(IORT_RULES.segmentTwice, offset, spec.IORT_ROOT_COMPLEX.fields.pciSegmentNumber, message)
      }
      segments.set(node.pciSegmentNumber, first ?? node)
    }
    if (node.kind === 'pmcg' && !starts.has(node.nodeReference)) {
      const message = `the ${recordAt(node)} counts for ${hex(node.nodeReference)}, where no node starts`
      yield inField(IORT_RULES.pmcgReference, offset, spec.IORT_PMCG.fields.nodeReference, message)
    }
    yield* lintNode(node, table.header.revision)
  }
  yield* lintBases(table)
  yield* lintIortMappings(table)
  yield* lintIortReserved(table)
}

function* lintNode(node: Exclude<IortNode, { kind: 'unknown' }>, revision: number): Generator<LintFinding> {
  const offset = node.offset ?? 0
  if (node.kind === 'its-group') {
    if (node.gicItsIdentifiers.length === 0) {
      const message = `the ${recordAt(node)} lists no ITS`
      yield inField(IORT_RULES.itsEmpty, offset, spec.IORT_ITS_GROUP.fields.numberOfItss, message)
    }
    if (node.mappings.length > 0 || (node.referenceToIdArray ?? 0) !== 0) {
      const message = `the ${recordAt(node)} has ${node.mappings.length} ID mappings`
      const field = spec.IORT_ITS_GROUP.fields.numberOfIdMappings
      yield { rule: IORT_RULES.itsMappings, offset: offset + field.offset, length: 8, message }
    }
  }
  if (node.kind === 'root-complex' || node.kind === 'named-component') yield* lintMaster(node)
  if (node.kind === 'smmu' && node.model > 5) {
    const message = `the ${recordAt(node)} is of model ${node.model}`
    yield inField(IORT_RULES.smmuModel, offset, spec.IORT_SMMU.fields.model, message)
  }
  if (node.kind === 'smmuv3' && node.model > 2) {
    const message = `the ${recordAt(node)} is of model ${node.model}`
    yield inField(IORT_RULES.smmuv3Model, offset, spec.IORT_SMMUV3.fields.model, message)
  }
  if (node.kind === 'rmr') yield* lintMemory(node, revision)
}

function* lintMaster(node: IortRootComplex | IortNamedComponent): Generator<LintFinding> {
  const offset = node.offset ?? 0
  const of = node.kind === 'root-complex' ? spec.IORT_ROOT_COMPLEX : spec.IORT_NAMED_COMPONENT
  const limit = node.kind === 'root-complex' ? node.memoryAddressSizeLimit : node.deviceMemoryAddressSizeLimit
  // A root complex of revision 0 has no such field.
  if (limit === 0 && (node.kind === 'named-component' || node.revision > 0)) {
    const at =
      node.kind === 'root-complex'
        ? spec.IORT_ROOT_COMPLEX.fields.memoryAddressSizeLimit
        : spec.IORT_NAMED_COMPONENT.fields.deviceMemoryAddressSizeLimit
    yield inField(IORT_RULES.addressLimit, offset, at, `the ${recordAt(node)} has addresses of 0 bits`)
  }
  const { cacheCoherent, memoryAccessFlags } = node.memoryAccessProperties
  const { CPM, DACS } = spec.IORT_MEMORY_ACCESS_FLAGS.fields
  const cpm = CPM.get(memoryAccessFlags)
  const dacs = DACS.get(memoryAccessFlags)
  if (cacheCoherent > 1 || (cacheCoherent === 1 && cpm === 0) || (cacheCoherent === 0 && cpm === 1 && dacs === 1)) {
    const message = `the ${recordAt(node)} has CCA ${cacheCoherent}, CPM ${cpm}, DACS ${dacs}`
    yield inField(IORT_RULES.memoryAccess, offset, of.fields.memoryAccessProperties, message)
  }
}

function* lintMemory(node: IortRmr, revision: number): Generator<LintFinding> {
  const offset = node.offset ?? 0
  if (revision < 5) {
    const message = `the table is of revision ${revision}, and the ${recordAt(node)} is there`
    yield { rule: IORT_RULES.rmrRevision, offset: 8, length: 1, message }
  }
  if (node.mappings.length === 0) {
    const field = spec.IORT_RMR.fields.numberOfIdMappings
    yield inField(IORT_RULES.rmrNoMapping, offset, field, `the ${recordAt(node)} has no ID mapping`)
  }
  const placed = node.memoryRangeDescriptors.map((item) => {
    const start = BigInt(item.physicalRangeOffset)
    return { start, end: start + BigInt(item.physicalRangeLength), item }
  })
  for (const { start, end, item } of placed) {
    const length = end - start
    if (length !== 0n && start % 0x1_0000n === 0n && length % 0x1_0000n === 0n) continue
    const message = `the ${recordAt(node)} has ${hex64(item.physicalRangeLength)} bytes at ${hex64(item.physicalRangeOffset)}`
    yield { rule: IORT_RULES.rmrRange, offset: item.offset ?? 0, length: 16, message }
  }
  for (const [one, other] of overlapsOf(placed)) {
    const message = `the ${recordAt(node)} has ${hex64(other.physicalRangeOffset)} within the range at ${hex64(one.physicalRangeOffset)}`
    yield { rule: IORT_RULES.rmrOverlap, offset: other.offset ?? 0, length: 16, message }
  }
}

/** Register sets: 128 KiB of an SMMUv3, the span of an older one. */
function* lintBases({ nodes }: Iort): Generator<LintFinding> {
  const placed: { start: bigint; end: bigint; item: IortSmmu | IortSmmuv3 }[] = []
  const field = spec.IORT_SMMUV3.fields.baseAddress
  for (const node of nodes) {
    if (node.kind !== 'smmu' && node.kind !== 'smmuv3') continue
    const start = BigInt(node.baseAddress)
    if (start % 0x1000n !== 0n) {
      const message = `the ${recordAt(node)} has its registers at ${hex64(node.baseAddress)}`
      yield inField(IORT_RULES.smmuBase, node.offset ?? 0, field, message)
    }
    placed.push({ start, end: start + (node.kind === 'smmu' ? BigInt(node.span) : 0x2_0000n), item: node })
  }
  for (const [one, other] of overlapsOf(placed)) {
    const message = `the ${recordAt(other)} at ${hex64(other.baseAddress)} overlaps the ${recordAt(one)} at ${hex64(one.baseAddress)}`
    yield inField(IORT_RULES.smmuBase, other.offset ?? 0, field, message)
  }
}
