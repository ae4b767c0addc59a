import { pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import type { U64 } from '../values.ts'
import { u64FromBig } from '../values.ts'
import { addressCells, cellsOf, isPciBus, numberAt, pciSpace, readAddress, sizeCells } from './addressing.ts'

export type RangesName = 'ranges' | 'dma-ranges'

/** An entry of `ranges` (§2.3.8) or `dma-ranges` (§2.3.9): `size` bytes from `child` on lie at `parent`. */
export interface Range {
  /** PCI's `phys.hi`; 0 on buses with at most two address cells. */
  readonly childUpper: number
  readonly child: U64
  readonly parentUpper: number
  readonly parent: U64
  readonly size: U64
}

/** What a bus says of its children's addresses. */
export interface Ranges {
  /** `identity`: there and empty, addresses are the parent's; `absent`: the property does not stand there. */
  readonly kind: 'mapped' | 'identity' | 'absent'
  readonly entries: readonly Range[]
  readonly problem: string | null
}

/** `ranges` or `dma-ranges` of a bus. */
export function parseRanges(bus: DtNode, name: RangesName): Ranges {
  const made = bus.property(name)
  if (made === undefined) return { kind: 'absent', entries: [], problem: null }
  if (made.length === 0) return { kind: 'identity', entries: [], problem: null }
  const child = addressCells(bus)
  const parent = addressCells(bus.parent)
  const size = sizeCells(bus)
  const stride = child + parent + size
  const cells = made.cells()
  if (child < 1 || child > 4 || parent < 1 || parent > 4 || size > 4) {
    const problem = `${name} of ${pathOf(bus)}: cells of ${child}, ${parent} and ${size} make no entry`
    return { kind: 'mapped', entries: [], problem }
  }
  const entries: Range[] = []
  for (let at = 0; at + stride <= cells.length; at += stride) {
    const from = readAddress(cells, at, child)!
    const to = readAddress(cells, at + child, parent)!
    entries.push({
      childUpper: from.upper,
      child: from.address,
      parentUpper: to.upper,
      parent: to.address,
      size: u64FromBig(numberAt(cells, at + child + parent, size)),
    })
  }
  const isWhole = made.length % (stride * 4) === 0
  const problem = `${name} of ${pathOf(bus)}: ${made.length} bytes are no whole number of entries of ${stride * 4}`
  return { kind: 'mapped', entries, problem: isWhole ? null : problem }
}

/** Cells of `ranges` for a bus. @throws RangeError where a value does not fit in its cells */
export const buildRanges = (bus: DtNode, parent: DtNode, entries: readonly Range[]): number[] =>
  entries.flatMap((one) => [
    ...cellsOf(one.child, addressCells(bus), one.childUpper),
    ...cellsOf(one.parent, addressCells(parent), one.parentUpper),
    ...cellsOf(one.size, sizeCells(bus)),
  ])

/** An address at the root, or the bus past which it cannot be followed. */
export type TranslatedAddress =
  | { readonly ok: true; readonly address: U64 }
  | { readonly ok: false; readonly stoppedAt: DtNode; readonly reason: string }

/**
 * Follows an address of a bus's children up the tree, to the root's address space: through `ranges` an address that a
 * processor uses, through `dma-ranges` one that a device puts on the bus.
 *
 * A bus without `ranges` leads nowhere (§2.3.8); one without `dma-ranges` is passed unchanged, as Linux does.
 *
 * @param bus - the node whose children use the address
 * @param upper - PCI's `phys.hi`, where the bus is PCI: an entry must be of the same space
 */
export function translateAddress(bus: DtNode, address: U64, name: RangesName, upper = 0): TranslatedAddress {
  let value = BigInt(address)
  let space = upper
  for (let at = bus; at.parent !== null; at = at.parent) {
    const { kind, entries } = parseRanges(at, name)
    if (kind === 'identity') continue
    if (kind === 'absent') {
      if (name === 'dma-ranges') continue
      return { ok: false, stoppedAt: at, reason: `${pathOf(at)} has no ranges: its children are behind no window` }
    }
    const isPci = isPciBus(at)
    const found = entries.find(({ child, size, childUpper }) => {
      if (isPci && !isSameSpace(childUpper, space)) return false
      const start = BigInt(child)
      return value >= start && value - start < BigInt(size)
    })
    if (found === undefined) {
      const reason = `no entry in ${name} of ${pathOf(at)} has 0x${value.toString(16)}`
      return { ok: false, stoppedAt: at, reason }
    }
    value = BigInt.asUintN(64, value - BigInt(found.child) + BigInt(found.parent))
    space = found.parentUpper
  }
  return { ok: true, address: u64FromBig(value) }
}

/** Memory of 32 and of 64 bits is one space. */
function isSameSpace(a: number, b: number): boolean {
  const left = pciSpace(a)
  const right = pciSpace(b)
  return left === right || (left >= 2 && right >= 2)
}
