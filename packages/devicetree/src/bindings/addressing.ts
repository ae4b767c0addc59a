import type { DtNode } from '../node.ts'
import type { U64 } from '../values.ts'
import { pairFromU64, u64FromBig } from '../values.ts'

/** `#address-cells` of a node, for its children: 2 where it says nothing (§2.3.5). */
export const addressCells = (node: DtNode | null): number => node?.cell('#address-cells') ?? 2

/** `#size-cells` of a node, for its children: 1 where it says nothing (§2.3.5). */
export const sizeCells = (node: DtNode | null): number => node?.cell('#size-cells') ?? 1

/**
 * An address as `count` cells hold it. Of three cells the first is PCI's `phys.hi`: space, bus, device and function; of
 * more than two in another bus's terms, likewise the upper ones are kept apart.
 */
export interface BusAddress {
  /** The cell above the lower two; 0 where there is none. */
  readonly upper: number
  readonly address: U64
}

/** Reads `count` cells from `at`. Undefined where they are not all there. */
export function readAddress(cells: readonly number[], at: number, count: number): BusAddress | undefined {
  if (at + count > cells.length) return undefined
  const upper = count > 2 ? cells[at + count - 3]! : 0
  return { upper, address: u64FromBig(numberAt(cells, at, count)) }
}

/** The lower 64 bits of `count` cells from `at`. */
export function numberAt(cells: readonly number[], at: number, count: number): bigint {
  let value = 0n
  for (let index = Math.max(0, count - 2); index < count; index++) {
    value = (value << 32n) | BigInt(cells[at + index] ?? 0)
  }
  return value
}

/**
 * A value as `count` cells, the upper one first where there are three.
 *
 * @throws RangeError where it does not fit
 */
export function cellsOf(value: U64, count: number, upper = 0): number[] {
  const [hi, lo] = pairFromU64(value)
  if ((count === 0 && (hi !== 0 || lo !== 0)) || (count === 1 && hi !== 0) || (count < 3 && upper !== 0)) {
    throw new RangeError(`${value} with the upper cell 0x${upper.toString(16)} does not fit in ${count} cells`)
  }
  const cells: number[] = new Array(count).fill(0)
  if (count > 0) cells[count - 1] = lo
  if (count > 1) cells[count - 2] = hi
  if (count > 2) cells[count - 3] = upper
  return cells
}

/** PCI's space code in `phys.hi`, bits [25:24]: 0 configuration, 1 I/O, 2 memory of 32 bits, 3 of 64. */
export const pciSpace = (physHi: number): number => (physHi >>> 24) & 3

/** The unit address of a PCI function in the first of three cells. @throws RangeError outside [0, 0xffff] */
export function pciUnitAddress(requesterId: number): number {
  if (!(Number.isInteger(requesterId) && requesterId >= 0 && requesterId <= 0xffff)) {
    throw new RangeError(`requester ID ${requesterId} is not in [0, 0xffff]`)
  }
  return requesterId << 8
}

/** Whether a node is a PCI bus: its addresses have three cells, of which the first is `phys.hi`. */
export const isPciBus = (node: DtNode): boolean => {
  const type = node.string('device_type')
  return type === 'pci' || type === 'pciex' || (addressCells(node) === 3 && /^pcie?@/.test(node.name))
}
