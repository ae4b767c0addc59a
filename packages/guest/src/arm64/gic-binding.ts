import type { DtNode } from '@dmascope/devicetree'
import { FIRST_PPI, FIRST_SPI } from '@dmascope/gic/spec'
import type { WireInterrupt } from '../platform/platform-device.ts'

/** Third cell of the binding: rising and falling edges. */
const EDGE_MASK = 3

/** The GIC's number of an interrupt, from its binding's cells; null for one that is none of its own. */
export function intidOf([kind, number]: readonly number[]): number | null {
  if (kind === undefined || number === undefined) return null
  return kind === 0 ? FIRST_SPI + number : kind === 1 ? FIRST_PPI + number : null
}

/** The interrupt that a node's `interrupts` names first. */
export function gicInterrupt(node: DtNode): WireInterrupt | null {
  const specifier = node.cells('interrupts').slice(0, 3)
  const number = intidOf(specifier)
  if (number === null) return null
  return { number, trigger: ((specifier[2] ?? 0) & EDGE_MASK) !== 0 ? 'edge' : 'level' }
}
