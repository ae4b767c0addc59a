import type { DeviceTree } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import { type U64, u64FromBig } from '../values.ts'
import { addressCells, numberAt, sizeCells } from './addressing.ts'
import { parseReg } from './reg.ts'

export const RESTRICTED_DMA_POOL = 'restricted-dma-pool'
export const SHARED_DMA_POOL = 'shared-dma-pool'

/** A child of `/reserved-memory` (§3.5). */
export interface ReservedRegion {
  readonly node: DtNode
  readonly compatible: readonly string[]
  /** Where it lies; empty where the system is to place it. */
  readonly places: readonly { readonly address: U64; readonly size: U64 }[]
  /** Of a region that the system places; null where `places` say all. */
  readonly size: U64 | null
  readonly noMap: boolean
  readonly reusable: boolean
}

function readRegion(node: DtNode): ReservedRegion {
  const sizes = sizeCells(node.parent)
  const size = node.cells('size')
  return {
    node,
    compatible: node.strings('compatible'),
    places:
      addressCells(node.parent) > 0 ? parseReg(node).map(({ address, size: bytes }) => ({ address, size: bytes })) : [],
    size: size.length > 0 && size.length >= sizes ? u64FromBig(numberAt(size, 0, Math.min(sizes, size.length))) : null,
    noMap: node.has('no-map'),
    reusable: node.has('reusable'),
  }
}

/** All regions of `/reserved-memory`. */
export const reservedRegions = (tree: DeviceTree): ReservedRegion[] =>
  (tree.root.child('reserved-memory')?.children ?? []).map(readRegion)

/** The regions that a device's `memory-region` names. */
export function memoryRegions(tree: DeviceTree, device: DtNode): ReservedRegion[] {
  const named = device.cells('memory-region').map((phandle) => tree.byPhandle(phandle))
  return named.filter((one) => one !== undefined).map(readRegion)
}

/** The pool that all DMA of a device must bounce through; null where it may go anywhere. */
export const findRestrictedDmaPool = (tree: DeviceTree, device: DtNode): ReservedRegion | null =>
  memoryRegions(tree, device).find(({ compatible }) => compatible.includes(RESTRICTED_DMA_POOL)) ?? null
