import { DmascopeError } from '@dmascope/layout'
import type { DeviceTree } from '../device-tree.ts'
import { parseDtb } from '../dtb/read.ts'
import type { Problem } from '../problem.ts'
import { lintDma, lintReservedAddresses, lintTceWindows } from './lint-dma.ts'
import { lintIdMap } from './lint-id-maps.ts'
import { lintPhandles, lintReferences, lintStreams } from './lint-references.ts'
import { lintMapsWithTopology, type PciTopology } from './lint-topology.ts'
import { Places } from './place.ts'
import type { LintFinding, LintLevel } from './rule.ts'
import { DT_RULES } from './rules.ts'

/** What else is known of the machine that a tree is of. */
export interface LintContext {
  readonly topology?: PciTopology
}

const RANK: Readonly<Record<LintLevel, number>> = { error: 0, warning: 1, note: 2 }
const byGravity = (found: LintFinding[]): LintFinding[] => found.sort((a, b) => RANK[a.rule.level] - RANK[b.rule.level])

/**
 * What is wrong with a devicetree where DMA is concerned, the gravest first. Of an overlay's references nothing can be
 * told before it is laid over a tree.
 */
export function lintTree(tree: DeviceTree, context: LintContext = {}): LintFinding[] {
  const places = new Places(tree)
  const found = [...formFindings(tree)]
  const add = (findings: Iterable<LintFinding>): void => {
    for (const one of findings) found.push(one)
  }
  add(lintPhandles(tree, places))
  // What an overlay refers to is in the tree that it is laid over.
  const isOverlay = tree.root.child('__fixups__') !== undefined
  for (const node of isOverlay ? [] : tree.nodes()) {
    add(lintReferences(tree, node, places))
    add(lintIdMap(tree, node, 'iommu-map', places))
    add(lintIdMap(tree, node, 'msi-map', places))
    add(lintDma(node, places))
    add(lintReservedAddresses(tree, node, places))
  }
  add(lintStreams(tree, places))
  add(lintTceWindows(tree, places))
  if (context.topology !== undefined) add(lintMapsWithTopology(tree, context.topology, places))
  return byGravity(found)
}

/** One finding for all problems of a kind: a blob that libfdt edited may have hundreds. It points at the first. */
function* formFindings({ problems }: DeviceTree): Generator<LintFinding> {
  const kinds = new Map<string, Problem[]>()
  for (const problem of problems) {
    const same = kinds.get(problem.code)
    if (same === undefined) kinds.set(problem.code, [problem])
    else same.push(problem)
  }
  for (const [code, [first, ...more]] of kinds) {
    const { offset, message } = first!
    const rule = code === 'DTB_LATE_PROPERTY' ? DT_RULES.lateProperty : DT_RULES.blobForm
    const others = more.length === 0 ? '' : `, and so at ${more.length} more places`
    yield { rule, node: null, property: null, offset, length: 4, message: message + others }
  }
}

/** The same for a blob. One that cannot be read is a finding, at the byte where reading ends; nothing throws. */
export function lintDtb(bytes: Uint8Array, context: LintContext = {}): LintFinding[] {
  try {
    return lintTree(parseDtb(bytes), context)
  } catch (error) {
    return [unreadable(error)]
  }
}

/** The finding for a blob or text that a reader gave up. @throws the error where it is not about the tree */
export function unreadable(error: unknown): LintFinding {
  if (!(error instanceof DmascopeError)) throw error
  const { offset, source, line, column } = error.context as Partial<Record<string, unknown>>
  const place = `${String(source)}:${String(line)}:${String(column)}: `
  const message = error.message.startsWith(place)
    ? error.message.slice(place.length)
    : error.message.replace(/^DTB at byte 0x[0-9a-f]+: /, '')
  return {
    rule: DT_RULES.unreadable,
    node: null,
    property: null,
    offset: typeof offset === 'number' ? offset : null,
    length: 4,
    message,
  }
}
