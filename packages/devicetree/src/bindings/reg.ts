import type { DtNode } from '../node.ts'
import type { U64 } from '../values.ts'
import { u64FromBig } from '../values.ts'
import { addressCells, cellsOf, numberAt, readAddress, sizeCells } from './addressing.ts'

/** An entry of `reg` (§2.3.6), in the terms of the parent's bus. */
export interface RegEntry {
  /** PCI's `phys.hi`; 0 on buses with at most two address cells. */
  readonly upper: number
  readonly address: U64
  readonly size: U64
}

/** The whole entries of `reg`; none where the parent's cells make no sense. */
export function parseReg(node: DtNode): RegEntry[] {
  const addresses = addressCells(node.parent)
  const sizes = sizeCells(node.parent)
  const cells = node.cells('reg')
  const entries: RegEntry[] = []
  const stride = addresses + sizes
  if (stride === 0 || stride > 8) return entries
  for (let at = 0; at + stride <= cells.length; at += stride) {
    entries.push({ ...readAddress(cells, at, addresses)!, size: u64FromBig(numberAt(cells, at + addresses, sizes)) })
  }
  return entries
}

/** Cells of `reg` for a node below `parent`. @throws RangeError where a value does not fit in its cells */
export const buildReg = (parent: DtNode, entries: readonly RegEntry[]): number[] =>
  entries.flatMap(({ upper, address, size }) => [
    ...cellsOf(address, addressCells(parent), upper),
    ...cellsOf(size, sizeCells(parent)),
  ])
