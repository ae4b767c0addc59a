import type { DeviceTree } from '../device-tree.ts'
import type { DtNode } from '../node.ts'

/** A phandle and the cells behind it, as many as its node says. */
export interface PhandleArgs {
  readonly phandle: number
  readonly node: DtNode
  readonly args: readonly number[]
}

/** A list of phandles with cells. `problem` says why it ends early, where it does. */
export interface PhandleList {
  readonly entries: readonly PhandleArgs[]
  readonly problem: string | null
}

/**
 * Reads a property such as `iommus`: each phandle is followed by as many cells as its node's `cellsName` says. A phandle
 * of 0 is an empty place.
 *
 * @param without - how many cells follow where the node has no such property; without it, that is a problem
 */
export function parsePhandleList(
  tree: DeviceTree,
  owner: DtNode,
  name: string,
  cellsName: string,
  without?: number,
): PhandleList {
  const cells = owner.cells(name)
  const entries: PhandleArgs[] = []
  for (let at = 0; at < cells.length; ) {
    const phandle = cells[at++]!
    if (phandle === 0) continue
    const node = tree.byPhandle(phandle)
    if (node === undefined) return { entries, problem: `${name}: no node has the phandle 0x${phandle.toString(16)}` }
    const count = node.cell(cellsName) ?? without
    if (count === undefined) return { entries, problem: `${name}: ${node.name} has no ${cellsName}` }
    if (count > cells.length - at) {
      return { entries, problem: `${name}: ${node.name} takes ${count} cells, and ${cells.length - at} are left` }
    }
    entries.push({ phandle, node, args: cells.slice(at, at + count) })
    at += count
  }
  return { entries, problem: null }
}

/** Cells of such a property. */
export const buildPhandleList = (entries: readonly Pick<PhandleArgs, 'phandle' | 'args'>[]): number[] =>
  entries.flatMap(({ phandle, args }) => [phandle, ...args])
