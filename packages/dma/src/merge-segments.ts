import { highWord, lowWord } from '@dmascope/layout'
import type { DmaMapping } from './dma-ops.ts'
import { GRANULE } from './iova-allocator.ts'
import type { Segment } from './live-mappings.ts'

export const pagesSpanned = (offset: number, length: number): number => Math.ceil((offset + length) / GRANULE)

/**
 * What segments come to whose pages are in a row on the bus: one that begins on a page joins the one before it where that
 * ended on one, up to the largest segment.
 *
 * @param start - bus address of the first page
 * @param most - bytes of a merged segment
 */
export function mergeSegments(segments: readonly Segment[], start: number, most: number): DmaMapping[] {
  const mappings: DmaMapping[] = []
  let at = start
  let open = false
  for (const { cpu, length } of segments) {
    const offset = cpu % GRANULE
    const last = mappings[mappings.length - 1]
    if (open && last && offset === 0 && last.length + length <= most) {
      mappings[mappings.length - 1] = { ...last, length: last.length + length }
    } else {
      mappings.push({ cpu, hi: highWord(at), lo: lowWord(at + offset), length })
    }
    at += pagesSpanned(offset, length) * GRANULE
    open = (offset + length) % GRANULE === 0
  }
  return mappings
}
