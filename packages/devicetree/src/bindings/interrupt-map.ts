import { type DeviceTree, pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'

/** An entry of `interrupt-map` (§2.4.3.1). */
export interface InterruptMapEntry {
  readonly childAddress: readonly number[]
  readonly childSpecifier: readonly number[]
  readonly phandle: number
  readonly parentAddress: readonly number[]
  readonly parentSpecifier: readonly number[]
}

/** The map of a nexus. `problem` says why it ends early, where it does. */
export interface InterruptMap {
  readonly entries: readonly InterruptMapEntry[]
  /** Over address and specifier; all ones where no `interrupt-map-mask` stands. */
  readonly mask: readonly number[]
  readonly problem: string | null
}

/** The map on a node; null where there is none. */
export function parseInterruptMap(tree: DeviceTree, nexus: DtNode): InterruptMap | null {
  if (!nexus.has('interrupt-map')) return null
  const cells = nexus.cells('interrupt-map')
  const addresses = unitCells(nexus)
  const specifiers = nexus.cell('#interrupt-cells')
  const entries: InterruptMapEntry[] = []
  const answer = (problem: string | null): InterruptMap => {
    const mask = nexus.cells('interrupt-map-mask')
    const width = Math.min(addresses + (specifiers ?? 0), cells.length)
    return { entries, mask: Array.from({ length: width }, (_, index) => mask[index] ?? 0xffff_ffff), problem }
  }
  if (specifiers === undefined) return answer(`${pathOf(nexus)} has no #interrupt-cells`)
  for (let at = 0; at < cells.length; ) {
    const behind = at + addresses + specifiers
    const phandle = cells[behind]
    if (phandle === undefined) return answer('interrupt-map ends within an entry')
    const parent = tree.byPhandle(phandle)
    if (parent === undefined) return answer(`interrupt-map: no node has the phandle 0x${phandle.toString(16)}`)
    const parentAddresses = parent.cell('#address-cells') ?? 0
    const parentSpecifiers = parent.cell('#interrupt-cells')
    if (parentSpecifiers === undefined) return answer(`${pathOf(parent)} has no #interrupt-cells`)
    const end = behind + 1 + parentAddresses + parentSpecifiers
    if (end > cells.length) return answer('interrupt-map ends within an entry')
    entries.push({
      childAddress: cells.slice(at, at + addresses),
      childSpecifier: cells.slice(at + addresses, behind),
      phandle,
      parentAddress: cells.slice(behind + 1, behind + 1 + parentAddresses),
      parentSpecifier: cells.slice(behind + 1 + parentAddresses, end),
    })
    at = end
  }
  return answer(null)
}

/** As Linux has it: of the nearest node that says so, from the nexus up. */
function unitCells(nexus: DtNode): number {
  for (let at: DtNode | null = nexus; at !== null; at = at.parent) {
    const cells = at.cell('#address-cells')
    if (cells !== undefined) return cells
  }
  return 2
}

/** Cells of `interrupt-map`. */
export const buildInterruptMap = (entries: readonly InterruptMapEntry[]): number[] =>
  entries.flatMap((one) => [
    ...one.childAddress,
    ...one.childSpecifier,
    one.phandle,
    ...one.parentAddress,
    ...one.parentSpecifier,
  ])

/** The node that a node's interrupts go to: `interrupt-parent` of the nearest node that has it (§2.4.1), else its parent. */
export function interruptParent(tree: DeviceTree, node: DtNode): DtNode | undefined {
  for (let at: DtNode | null = node; at !== null; at = at.parent) {
    const phandle = at.cell('interrupt-parent')
    if (phandle !== undefined) return tree.byPhandle(phandle)
    // A controller or nexus above, without interrupt-parent between, is the parent.
    const above: DtNode | null = at.parent
    if (above?.has('#interrupt-cells')) return above
  }
  return undefined
}

/** Where an interrupt arrives. */
export type ResolvedInterrupt =
  | {
      readonly ok: true
      readonly controller: DtNode
      readonly specifier: readonly number[]
      readonly through: DtNode[]
    }
  | { readonly ok: false; readonly reason: string; readonly through: DtNode[] }

/** A tree whose maps lead in a circle must not be followed for ever. */
const MAX_STEPS = 64

/**
 * Follows an interrupt from a nexus or controller to the controller that takes it.
 *
 * @param start - the interrupt parent; the host bridge, for a PCI function
 * @param address - the device's unit address in the terms of `start`: `[phys.hi, 0, 0]` on PCI
 * @param specifier - the cells of its `interrupts`; the pin (1 to 4), on PCI
 */
export function resolveInterrupt(
  tree: DeviceTree,
  start: DtNode,
  address: readonly number[],
  specifier: readonly number[],
): ResolvedInterrupt {
  const through: DtNode[] = []
  let at = start
  let unit = address
  let cells = specifier
  for (let step = 0; step < MAX_STEPS; step++) {
    const map = parseInterruptMap(tree, at)
    if (map === null) {
      if (at.has('interrupt-controller')) return { ok: true, controller: at, specifier: cells, through }
      const above = interruptParent(tree, at)
      if (above === undefined || above === at) {
        return { ok: false, reason: `${pathOf(at)} is no controller and has no interrupt parent`, through }
      }
      at = above
      continue
    }
    through.push(at)
    const wanted = [...unit, ...cells].map((cell, index) => (cell & (map.mask[index] ?? 0xffff_ffff)) >>> 0)
    const found = map.entries.find(({ childAddress, childSpecifier }) => {
      const has = [...childAddress, ...childSpecifier]
      return (
        has.length === wanted.length &&
        has.every((cell, index) => (cell & (map.mask[index] ?? 0xffff_ffff)) >>> 0 === wanted[index])
      )
    })
    if (found === undefined) {
      const what = wanted.map((cell) => cell.toString(16)).join(' ')
      return {
        ok: false,
        reason: map.problem ?? `no entry in interrupt-map of ${pathOf(at)} matches <${what}>`,
        through,
      }
    }
    at = tree.byPhandle(found.phandle)!
    unit = found.parentAddress
    cells = found.parentSpecifier
  }
  return { ok: false, reason: `more than ${MAX_STEPS} steps from ${pathOf(start)}: the maps lead in a circle`, through }
}
