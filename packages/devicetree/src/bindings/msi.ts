import type { DeviceTree } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import { mapId, parseIdMap } from './id-map.ts'
import { type PhandleList, parsePhandleList } from './phandle-list.ts'

/** The MSI controllers that a node names. One without `#msi-cells` takes none. */
export const parseMsiParent = (tree: DeviceTree, node: DtNode): PhandleList =>
  parsePhandleList(tree, node, 'msi-parent', '#msi-cells', 0)

/** An MSI controller, and what tells the device from others there. */
export interface FoundMsi {
  readonly controller: DtNode
  readonly args: readonly number[]
  readonly by: 'msi-parent' | 'msi-map'
  readonly on: DtNode
}

/**
 * Where a device's MSIs go. A PCI function's requester ID is looked up in the `msi-map` of the nearest node above that
 * has one; where there is none, `msi-parent` of the nearest node above holds, with the requester ID as it is.
 */
export function findMsi(tree: DeviceTree, node: DtNode, requesterId?: number): FoundMsi | null {
  for (let on: DtNode | null = node; on !== null; on = on.parent) {
    const map = requesterId === undefined ? null : parseIdMap(on, 'msi-map')
    if (map !== null) {
      const mapped = mapId(map, requesterId!)
      const controller = mapped === null ? undefined : tree.byPhandle(mapped.phandle)
      return controller === undefined ? null : { controller, args: [mapped!.id], by: 'msi-map', on }
    }
    const first = parseMsiParent(tree, on).entries[0]
    if (first !== undefined) {
      const args = requesterId !== undefined && first.args.length === 0 ? [requesterId] : first.args
      return { controller: first.node, args, by: 'msi-parent', on }
    }
    // A platform device has its controller at itself, or none.
    if (requesterId === undefined) return null
  }
  return null
}
