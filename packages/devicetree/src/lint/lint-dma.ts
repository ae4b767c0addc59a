import { addressCells, isPciBus, pciSpace, sizeCells } from '../bindings/addressing.ts'
import { parseIbmDmaWindow, windowCells } from '../bindings/ibm-dma-window.ts'
import { parseRanges, type Range } from '../bindings/ranges.ts'
import { type DeviceTree, pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import type { Places } from './place.ts'
import type { LintFinding } from './rule.ts'
import { DT_RULES } from './rules.ts'

/** What is wrong with `dma-ranges`, `dma-coherent` and `dma-noncoherent` of a node. */
export function* lintDma(node: DtNode, places: Places): Generator<LintFinding> {
  if (node.has('dma-coherent') && node.has('dma-noncoherent')) {
    yield places.at(DT_RULES.coherencyTwice, node, 'dma-noncoherent', 'dma-coherent stands there too')
  }
  const ranges = parseRanges(node, 'dma-ranges')
  if (ranges.kind === 'absent') return
  if (ranges.problem !== null) {
    yield places.at(DT_RULES.rangesLength, node, 'dma-ranges', ranges.problem)
    return
  }
  if (ranges.kind === 'identity') {
    const own = [addressCells(node), sizeCells(node)]
    const above = [addressCells(node.parent), sizeCells(node.parent)]
    if (node.parent === null || (own[0] === above[0] && own[1] === above[1])) return
    const message = `#address-cells and #size-cells are ${own.join(' and ')} here and ${above.join(' and ')} above`
    yield places.at(DT_RULES.rangesCells, node, 'dma-ranges', message)
    return
  }
  yield* lintWindows(node, ranges.entries, places)
}

const big = (value: number | string): string => `0x${BigInt(value).toString(16)}`

function* lintWindows(node: DtNode, entries: readonly Range[], places: Places): Generator<LintFinding> {
  // Of a PCI bus, memory of 32 and of 64 bits is one space.
  const isPci = isPciBus(node)
  const spaceOf = ({ childUpper }: Range): number => (isPci ? Math.min(pciSpace(childUpper), 2) : childUpper)
  const sorted = [...entries].sort((a, b) => {
    const order = BigInt(spaceOf(a)) - BigInt(spaceOf(b)) || BigInt(a.child) - BigInt(b.child)
    return order < 0n ? -1 : order > 0n ? 1 : 0
  })
  let before: Range | undefined
  for (const one of sorted) {
    if (BigInt(one.size) === 0n) {
      yield places.at(DT_RULES.rangesOverlap, node, 'dma-ranges', `the window at ${big(one.child)} has no size`)
      continue
    }
    if (before !== undefined && spaceOf(before) === spaceOf(one)) {
      const end = BigInt(before.child) + BigInt(before.size)
      if (BigInt(one.child) < end) {
        const message = `the window at ${big(one.child)} overlaps the one from ${big(before.child)} to 0x${end.toString(16)}`
        yield places.at(DT_RULES.rangesOverlap, node, 'dma-ranges', message)
        if (BigInt(one.child) + BigInt(one.size) <= end) continue
      }
    }
    before = one
  }
}

/** What is wrong with `ibm,dma-window`, on all nodes. */
export function* lintTceWindows(tree: DeviceTree, places: Places): Generator<LintFinding> {
  const name = 'ibm,dma-window'
  const owners = new Map<number, DtNode>()
  for (const node of tree.nodes()) {
    const property = node.property(name)
    if (property === undefined) continue
    const windows = parseIbmDmaWindow(node)
    const [addresses, sizes] = windowCells(node)
    const empty = windows.find(({ size }) => BigInt(size) === 0n)
    if (windows.length * (1 + addresses + sizes) * 4 !== property.length || windows.length === 0) {
      const message = `${property.length} bytes are no whole windows of ${1 + addresses + sizes} cells`
      yield places.at(DT_RULES.window, node, name, message)
    } else if (empty !== undefined) {
      yield places.at(DT_RULES.window, node, name, `the window at ${big(empty.address)} has no size`)
    }
    for (const { liobn } of windows) {
      const owner = owners.get(liobn)
      if (owner !== undefined && owner !== node) {
        const message = `the LIOBN 0x${liobn.toString(16)} is that of ${pathOf(owner)} too`
        yield places.at(DT_RULES.liobnTwice, node, name, message, 0, 1)
      }
      owners.set(liobn, owner ?? node)
    }
  }
}

/** What is wrong with `iommu-addresses` of a reserved region (of_iommu_get_resv_regions). */
export function* lintReservedAddresses(tree: DeviceTree, node: DtNode, places: Places): Generator<LintFinding> {
  const name = 'iommu-addresses'
  const cells = node.cells(name)
  for (let at = 0; at < cells.length; ) {
    const start = at++
    const device = tree.byPhandle(cells[start]!)
    if (device === undefined) {
      const message = `cell ${start} is 0x${cells[start]!.toString(16)}, which is no node’s phandle`
      yield places.at(DT_RULES.reservedAddresses, node, name, message, start, 1)
      return
    }
    const addresses = addressCells(device.parent)
    const sizes = sizeCells(device.parent)
    if (addresses + sizes > cells.length - at) {
      const message = `${pathOf(device)} takes ${addresses} and ${sizes} cells, and ${cells.length - at} are left`
      yield places.at(DT_RULES.reservedAddresses, node, name, message, start, cells.length - start)
      return
    }
    const size = cells.slice(at + addresses, at + addresses + sizes)
    at += addresses + sizes
    if (!size.every((cell) => cell === 0)) continue
    const message = `the region of ${pathOf(device)} has no size`
    yield places.at(DT_RULES.reservedAddresses, node, name, message, start, 1 + addresses + sizes)
  }
}
