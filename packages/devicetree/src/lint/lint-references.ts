import { parsePhandleList } from '../bindings/phandle-list.ts'
import { type DeviceTree, pathOf, phandleOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import { isEnabled, type Places } from './place.ts'
import type { LintFinding } from './rule.ts'
import { DT_RULES } from './rules.ts'

const hex = (value: number): string => `0x${value.toString(16)}`

/** Phandles that are none, and those that two nodes have. */
export function* lintPhandles(tree: DeviceTree, places: Places): Generator<LintFinding> {
  const owners = new Map<number, DtNode>()
  for (const node of tree.nodes()) {
    for (const name of ['phandle', 'linux,phandle']) {
      const property = node.property(name)
      if (property === undefined) continue
      const value = property.cell(0)
      if (property.length === 4 && value !== 0 && value !== 0xffff_ffff) continue
      const shown = value === undefined ? `${property.length} bytes` : `${hex(value)}, in ${property.length} bytes`
      yield places.at(DT_RULES.phandleValue, node, name, `${name} is ${shown}`)
    }
    const phandle = phandleOf(node)
    if (phandle === undefined) continue
    const owner = owners.get(phandle)
    if (owner === undefined) owners.set(phandle, node)
    else {
      const name = node.has('phandle') ? 'phandle' : 'linux,phandle'
      yield places.at(DT_RULES.phandleTwice, node, name, `${hex(phandle)} is the phandle of ${pathOf(owner)} too`)
    }
  }
}

/** What is wrong with `iommus` and `msi-parent`. */
export function* lintReferences(tree: DeviceTree, node: DtNode, places: Places): Generator<LintFinding> {
  if (node.has('iommus')) {
    yield* lintList(tree, node, 'iommus', '#iommu-cells', places)
    for (const { node: iommu } of parsePhandleList(tree, node, 'iommus', '#iommu-cells').entries) {
      if (iommu === node) yield places.at(DT_RULES.behindItself, node, 'iommus', 'it refers to itself')
      else if (isEnabled(node) && !isEnabled(iommu)) {
        const message = `${pathOf(iommu)} has status ${JSON.stringify(iommu.string('status'))}`
        yield places.at(DT_RULES.iommuDisabled, node, 'iommus', message)
      }
    }
  }
  if (node.has('msi-parent')) {
    yield* lintList(tree, node, 'msi-parent', '#msi-cells', places, 0)
    for (const { node: controller } of parsePhandleList(tree, node, 'msi-parent', '#msi-cells', 0).entries) {
      if (controller.has('msi-controller')) continue
      yield places.at(DT_RULES.notMsiController, node, 'msi-parent', `${pathOf(controller)} has no msi-controller`)
    }
  }
}

/** The first thing that ends a list of phandles early: what is behind it cannot be read. */
function* lintList(
  tree: DeviceTree,
  owner: DtNode,
  name: string,
  cellsName: string,
  places: Places,
  without?: number,
): Generator<LintFinding> {
  const cells = owner.cells(name)
  for (let at = 0; at < cells.length; ) {
    const phandle = cells[at]!
    const start = at++
    if (phandle === 0) continue
    const target = tree.byPhandle(phandle)
    if (target === undefined) {
      const message = `cell ${start} is ${hex(phandle)}, which is no node’s phandle`
      yield places.at(DT_RULES.unknownPhandle, owner, name, message, start, 1)
      return
    }
    const count = target.cell(cellsName) ?? without
    if (count === undefined) {
      const message = `${pathOf(target)} has no ${cellsName}`
      yield places.at(DT_RULES.noCells, owner, name, message, start, 1)
      return
    }
    if (count > cells.length - at) {
      const message = `${pathOf(target)} takes ${count} cells, and ${cells.length - at} are left`
      yield places.at(DT_RULES.listCut, owner, name, message, start, cells.length - start)
      return
    }
    at += count
  }
}

/** Two devices with one stream of an SMMUv3 (arm_smmu_insert_master). */
export function* lintStreams(tree: DeviceTree, places: Places): Generator<LintFinding> {
  const owners = new Map<string, DtNode>()
  for (const node of tree.nodes()) {
    if (!node.has('iommus') || !isEnabled(node)) continue
    for (const { node: iommu, phandle, args } of parsePhandleList(tree, node, 'iommus', '#iommu-cells').entries) {
      if (!iommu.strings('compatible').includes('arm,smmu-v3') || !isEnabled(iommu) || args.length === 0) continue
      const key = `${phandle} ${args[0]}`
      const owner = owners.get(key)
      if (owner === undefined) owners.set(key, node)
      else if (owner !== node) {
        const message = `stream ${hex(args[0]!)} of ${pathOf(iommu)} is ${pathOf(owner)} too`
        yield places.at(DT_RULES.streamTwice, node, 'iommus', message)
      }
    }
  }
}
