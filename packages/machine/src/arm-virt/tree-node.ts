import { type DtNode, node, type PropertyInput } from '@dmascope/devicetree'
import type { AddressBlock } from './memory-map.ts'

/** A node in the order in which libfdt lays it out: each new property, and each new child, goes before the others. */
export const built = (
  name: string,
  properties: readonly (readonly [name: string, value: PropertyInput])[],
  children: readonly DtNode[] = [],
): DtNode => node(name, Object.fromEntries([...properties].reverse()), [...children].reverse())

/** `name@base`. */
export const at = (name: string, { base }: AddressBlock): string => `${name}@${base.toString(16)}`

/** A value as two cells. */
export const cells64 = (value: number): number[] => [Math.floor(value / 0x1_0000_0000), value % 0x1_0000_0000]

/** `reg` with two cells each for address and size. */
export const reg64 = (...blocks: readonly AddressBlock[]): number[] =>
  blocks.flatMap(({ base, size }) => [...cells64(base), ...cells64(size)])

/** Kinds and triggers of interrupts in the GIC's binding. */
export const SPI = 0
export const PPI = 1
export const EDGE_RISING = 1
export const LEVEL_HIGH = 4

/** Handles out phandles as QEMU does: from 0x8000 on, in order of asking. */
export class Phandles {
  #next = 0x8000

  take(): number {
    return this.#next++
  }
}
