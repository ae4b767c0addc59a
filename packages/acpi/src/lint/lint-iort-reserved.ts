import type { Iort, IortNode } from '../iort.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import * as spec from '../spec/iort.ts'
import { IORT_RULES } from './iort-rules.ts'
import { type LintFinding, listSome } from './rule.ts'

const maskOf = (word: { readonly fields: Readonly<Record<string, { readonly loMask: number }>> }): number =>
  Object.values(word.fields).reduce((mask, field) => (mask | field.loMask) >>> 0, 0)
const FLAGS: Readonly<Record<string, number>> = {
  smmu: maskOf(spec.IORT_SMMU_FLAGS),
  smmuv3: maskOf(spec.IORT_SMMUV3_FLAGS),
  rmr: maskOf(spec.IORT_RMR_FLAGS),
}
const HINTS = maskOf(spec.IORT_ALLOCATION_HINTS)
const ACCESS = maskOf(spec.IORT_MEMORY_ACCESS_FLAGS)
const ATS = maskOf(spec.IORT_ATS_ATTRIBUTE)
const COMPONENT = maskOf(spec.IORT_NAMED_COMPONENT_FLAGS)
const INTERRUPT = maskOf(spec.IORT_SMMU_INTERRUPT_FLAGS)

/** Whether a node sets bits that its revision of the specification reserves. */
function hasReserved(node: Exclude<IortNode, { kind: 'unknown' }>): boolean {
  const known = FLAGS[node.kind]
  if (known !== undefined && 'flags' in node && ((node.flags ?? 0) & ~known) !== 0) return true
  if ('reserved' in node && node.reserved !== undefined && Number(node.reserved) !== 0) return true
  if (node.mappings.some(({ flags }) => (flags & ~1) !== 0)) return true
  if ('memoryAccessProperties' in node) {
    const { allocationHints, memoryAccessFlags, reserved } = node.memoryAccessProperties
    if ((allocationHints & ~HINTS) !== 0 || (memoryAccessFlags & ~ACCESS) !== 0 || (reserved ?? 0) !== 0) return true
  }
  if (node.kind === 'root-complex') return (node.atsAttribute & ~ATS) !== 0
  if (node.kind === 'named-component') return (node.nodeFlags & ~COMPONENT) !== 0
  if (node.kind !== 'smmu') return false
  const global = node.globalInterruptArray
  const flags = [...node.contextInterruptArray, ...node.pmuInterruptArray].map(({ interruptFlags }) => interruptFlags)
  if (global !== undefined) flags.push(global.SMMU_NSgIrptFlags, global.SMMU_NSgCfgIrptFlags)
  return flags.some((one) => (one & ~INTERRUPT) !== 0)
}

/** One finding for all reserved bits: it points at the first node that has some. */
export function* lintIortReserved(table: Iort): Generator<LintFinding> {
  const places = table.nodes.flatMap((node) =>
    node.kind !== 'unknown' && hasReserved(node) ? [{ offset: node.offset ?? 0, what: `the ${recordAt(node)}` }] : [],
  )
  if ((table.reserved ?? 0) !== 0)
    places.unshift({ offset: HEADER_SIZE + spec.IORT.fields.reserved.offset, what: 'Reserved' })
  const [first] = places
  if (first === undefined) return
  const message = `reserved bits are set in ${listSome(
    places.map(({ what }) => what),
    4,
  )}`
  yield { rule: IORT_RULES.reserved, offset: first.offset, length: 4, message }
}
