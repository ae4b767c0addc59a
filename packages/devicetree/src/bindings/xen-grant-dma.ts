import type { DeviceTree } from '../device-tree.ts'
import { type DtNode, node } from '../node.ts'
import { findIommu } from './iommus.ts'

export const XEN_GRANT_DMA = 'xen,grant-dma'

/**
 * The domain whose backend a virtio device's DMA goes to, where the tree says that its addresses are grants: its IOMMU
 * is then a node compatible with `xen,grant-dma`, whose one cell is the domain. Null where it says no such thing.
 *
 * @param requesterId - of a PCI function; `device` is its host bridge then
 */
export function findXenGrantBackend(tree: DeviceTree, device: DtNode, requesterId?: number): number | null {
  for (const { iommu, args } of findIommu(tree, device, requesterId).found) {
    if (iommu.strings('compatible').includes(XEN_GRANT_DMA)) return args[0] ?? null
  }
  return null
}

/** The node that stands for grants, with a phandle for `iommus` and `iommu-map` to name. */
export const xenGrantNode = (phandle: number): DtNode =>
  node('xen_iommu', { compatible: XEN_GRANT_DMA, '#iommu-cells': 1, phandle })
