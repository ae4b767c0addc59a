import type { DeviceTree } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import { mapId, parseIdMap } from './id-map.ts'
import { type PhandleList, parsePhandleList } from './phandle-list.ts'

/** The IOMMUs that a device's own node names, with `#iommu-cells` cells each: stream IDs, for an SMMU. */
export const parseIommus = (tree: DeviceTree, node: DtNode): PhandleList =>
  parsePhandleList(tree, node, 'iommus', '#iommu-cells')

/** An IOMMU that a device is behind, as the tree has it. */
export interface FoundIommu {
  readonly iommu: DtNode
  /** The cells that tell the device from others there: its stream or endpoint ID. */
  readonly args: readonly number[]
  /** The property that says so, and the node that has it. */
  readonly by: 'iommus' | 'iommu-map'
  readonly on: DtNode
}

/** What a tree says of a device: its IOMMUs, or why it has none. */
export interface IommuSearch {
  readonly found: readonly FoundIommu[]
  /** What is wrong with what the tree says; null where nothing is. */
  readonly problem: string | null
}

/**
 * The IOMMUs in front of a device. A device with a node of its own has them in `iommus`; a PCI function is looked up by
 * its requester ID in the `iommu-map` of the nearest node above that has one, which is its host bridge.
 *
 * @param node - the device's, or the host bridge's for a PCI function that has none
 * @param requesterId - of a PCI function
 */
export function findIommu(tree: DeviceTree, node: DtNode, requesterId?: number): IommuSearch {
  if (requesterId === undefined) {
    const { entries, problem } = parseIommus(tree, node)
    return { found: entries.map((one) => ({ iommu: one.node, args: one.args, by: 'iommus', on: node })), problem }
  }
  for (let on: DtNode | null = node; on !== null; on = on.parent) {
    const map = parseIdMap(on, 'iommu-map')
    if (map === null) continue
    const mapped = mapId(map, requesterId)
    if (mapped === null) return { found: [], problem: map.problem }
    const iommu = tree.byPhandle(mapped.phandle)
    if (iommu === undefined) {
      return { found: [], problem: `iommu-map: no node has the phandle 0x${mapped.phandle.toString(16)}` }
    }
    return { found: [{ iommu, args: [mapped.id], by: 'iommu-map', on }], problem: map.problem }
  }
  return { found: [], problem: null }
}
