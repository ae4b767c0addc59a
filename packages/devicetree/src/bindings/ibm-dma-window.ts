import type { DtNode } from '../node.ts'
import { type U64, u64FromBig } from '../values.ts'
import { addressCells, cellsOf, numberAt, sizeCells } from './addressing.ts'

/** A window of I/O addresses that a hypervisor translates, as sPAPR has it. */
export interface IbmDmaWindow {
  /** Logical I/O bus number: names the table in hypercalls. */
  readonly liobn: number
  /** Where the window starts on the bus. */
  readonly address: U64
  readonly size: U64
}

/** `ibm,#dma-address-cells` of a node, else its `#address-cells`; likewise for sizes. */
export const windowCells = (node: DtNode): readonly [address: number, size: number] => [
  node.cell('ibm,#dma-address-cells') ?? node.cell('#address-cells') ?? addressCells(node.parent),
  node.cell('ibm,#dma-size-cells') ?? node.cell('#size-cells') ?? sizeCells(node.parent),
]

/** The windows of a node's `ibm,dma-window`; none where it has none or they are cut off. */
export function parseIbmDmaWindow(node: DtNode): IbmDmaWindow[] {
  const cells = node.cells('ibm,dma-window')
  const [address, size] = windowCells(node)
  const windows: IbmDmaWindow[] = []
  if (address < 1 || size < 1 || address > 4 || size > 4) return windows
  const stride = 1 + address + size
  for (let at = 0; at + stride <= cells.length; at += stride) {
    windows.push({
      liobn: cells[at]!,
      address: u64FromBig(numberAt(cells, at + 1, address)),
      size: u64FromBig(numberAt(cells, at + 1 + address, size)),
    })
  }
  return windows
}

/** The default window of a device: that of the nearest node, from its own up, which has one. */
export function findIbmDmaWindow(node: DtNode): { readonly window: IbmDmaWindow; readonly on: DtNode } | null {
  for (let on: DtNode | null = node; on !== null; on = on.parent) {
    const window = parseIbmDmaWindow(on)[0]
    if (window !== undefined) return { window, on }
  }
  return null
}

/** Puts `ibm,dma-window` on a node, with the numbers of cells that it needs. */
export function setIbmDmaWindow(node: DtNode, window: IbmDmaWindow): void {
  node.set('ibm,dma-window', [window.liobn, ...cellsOf(window.address, 2), ...cellsOf(window.size, 2)])
  node.set('ibm,#dma-size-cells', 2)
  node.set('ibm,#dma-address-cells', 2)
}
