import { FIRST_PPI, FIRST_SPI } from '@dmascope/gic/spec'

/** The GIC's number of an interrupt, from its binding's cells; null for one that is none of its own. */
export function intidOf([kind, number]: readonly number[]): number | null {
  if (kind === undefined || number === undefined) return null
  return kind === 0 ? FIRST_SPI + number : kind === 1 ? FIRST_PPI + number : null
}
