import { type IdMapEntry, type IdMapName, parseIdMap } from '../bindings/id-map.ts'
import { type DeviceTree, pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import { isEnabled, type Places } from './place.ts'
import type { LintFinding } from './rule.ts'
import { DT_RULES } from './rules.ts'

const hex = (value: number): string => `0x${value.toString(16)}`
const shown = ({ inputBase, length }: IdMapEntry): string => `<${hex(inputBase)} ... ${hex(length)}>`

/** What is wrong with `iommu-map` or `msi-map` of a node that has it. */
export function* lintIdMap(tree: DeviceTree, node: DtNode, name: IdMapName, places: Places): Generator<LintFinding> {
  const map = parseIdMap(node, name)
  if (map === null) return
  const property = node.property(name)!
  if (property.length === 0 || property.length % 16 !== 0) {
    yield places.at(DT_RULES.mapLength, node, name, `${property.length} bytes are no whole number of entries of 16`)
  }
  const told = new Set<DtNode>()
  for (const [index, entry] of map.entries.entries()) {
    const at = (rule: (typeof DT_RULES)[keyof typeof DT_RULES], message: string): LintFinding =>
      places.at(rule, node, name, message, index * 4, 4)
    if ((entry.inputBase & ~map.mask) !== 0) {
      yield at(DT_RULES.mapMask, `the ID ${hex(entry.inputBase)} has bits outside the mask ${hex(map.mask)}`)
    }
    if (entry.length === 0 || Math.max(entry.inputBase, entry.outputBase) + entry.length > 0x1_0000_0000) {
      yield at(DT_RULES.mapRange, `${shown(entry)} to ${hex(entry.outputBase)} is no range of IDs`)
    }
    const target = tree.byPhandle(entry.phandle)
    if (target === undefined) {
      yield at(DT_RULES.mapTarget, `${shown(entry)} goes to ${hex(entry.phandle)}, which is no node’s phandle`)
      continue
    }
    if (told.has(target)) continue
    told.add(target)
    yield* lintTarget(node, name, target, at)
  }
  yield* lintOverlaps(map.entries, node, name, places)
  if (name === 'iommu-map') yield* lintOwnId(tree, node, map, places)
}

function* lintTarget(
  node: DtNode,
  name: IdMapName,
  target: DtNode,
  at: (rule: (typeof DT_RULES)[keyof typeof DT_RULES], message: string) => LintFinding,
): Generator<LintFinding> {
  if (name === 'msi-map') {
    if (!target.has('msi-controller')) yield at(DT_RULES.notMsiController, `${pathOf(target)} has no msi-controller`)
    return
  }
  const cells = target.cell('#iommu-cells')
  if (cells !== 1) yield at(DT_RULES.mapCells, `${pathOf(target)} has ${cells ?? 'no'} #iommu-cells`)
  if (isEnabled(node) && !isEnabled(target)) {
    yield at(DT_RULES.iommuDisabled, `${pathOf(target)} has status ${JSON.stringify(target.string('status'))}`)
  }
}

function* lintOverlaps(
  entries: readonly IdMapEntry[],
  node: DtNode,
  name: IdMapName,
  places: Places,
): Generator<LintFinding> {
  const sorted = entries.map((entry, index) => ({ entry, index })).sort((a, b) => a.entry.inputBase - b.entry.inputBase)
  let furthest: IdMapEntry | undefined
  for (const { entry, index } of sorted) {
    if (entry.length === 0) continue
    if (furthest !== undefined && entry.inputBase < furthest.inputBase + furthest.length) {
      const message = `${shown(entry)} overlaps ${shown(furthest)}`
      yield places.at(DT_RULES.mapOverlap, node, name, message, index * 4, 4)
    }
    if (furthest === undefined || entry.inputBase + entry.length > furthest.inputBase + furthest.length)
      furthest = entry
  }
}

/** An IOMMU that is a function of the bus it translates for, and in its own map. */
function* lintOwnId(
  tree: DeviceTree,
  node: DtNode,
  { entries, mask }: { readonly entries: readonly IdMapEntry[]; readonly mask: number },
  places: Places,
): Generator<LintFinding> {
  for (const [index, { inputBase, phandle, length }] of entries.entries()) {
    const iommu = tree.byPhandle(phandle)
    const unit = iommu?.parent === node ? iommu.cell('reg') : undefined
    if (iommu === undefined || unit === undefined) continue
    const id = ((unit >>> 8) & 0xffff & mask) >>> 0
    if (id < inputBase || id - inputBase >= length) continue
    const message = `${pathOf(iommu)} has the requester ID ${hex(id)}, which goes to itself`
    yield places.at(DT_RULES.behindItself, node, 'iommu-map', message, index * 4, 4)
  }
}
