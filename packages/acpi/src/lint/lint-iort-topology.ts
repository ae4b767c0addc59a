import type { Iort, IortRootComplex } from '../iort.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { IORT } from '../spec/iort.ts'
import { IORT_RULES } from './iort-rules.ts'
import { type LintFinding, listSome } from './rule.ts'
import { nameOf, requesterId, type TopologyIndex } from './topology.ts'

/** Devices that no SMMU of an IORT translates for. A table without SMMUs says so of all, and is not at fault. */
export function* lintIortTopology(table: Iort, topology: TopologyIndex): Generator<LintFinding> {
  const smmus = new Set(
    table.nodes.filter(({ kind }) => kind === 'smmu' || kind === 'smmuv3').map(({ offset }) => offset),
  )
  if (smmus.size === 0) return
  const roots = new Map<number, IortRootComplex>()
  for (const node of table.nodes) {
    if (node.kind === 'root-complex' && !roots.has(node.pciSegmentNumber)) roots.set(node.pciSegmentNumber, node)
  }
  const bare = topology.functions.filter((one) => {
    const id = requesterId(one)
    const mappings = roots.get(one.segment)?.mappings ?? []
    return !mappings.some(
      ({ inputBase, numberOfIds, outputReference, flags }) =>
        smmus.has(outputReference) && ((flags & 1) !== 0 || (id >= inputBase && id <= inputBase + numberOfIds)),
    )
  })
  if (bare.length === 0) return
  const message = `no ID mapping leads ${listSome(bare.map(nameOf))} to an SMMU`
  yield { rule: IORT_RULES.notCovered, offset: HEADER_SIZE + IORT.size, length: 0, message }
}
