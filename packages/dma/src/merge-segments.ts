import { highWord, lowWord } from '@dmascope/layout'
import type { DmaMapping } from './dma-ops.ts'
import type { Segment } from './live-mappings.ts'

/** Pages that `length` bytes touch, the first of them `offset` bytes into one. */
export const pagesSpanned = (offset: number, length: number, page: number): number =>
  Math.ceil((offset + length) / page)

/**
 * What segments come to whose pages are in a row on the bus: one that begins on a page joins the one before it where that
 * ended on one, up to the largest segment.
 *
 * @param start - bus address of the first page
 * @param page - bytes of one
 * @param most - bytes that a merged segment may have
 */
export function mergeSegments(
  segments: readonly Segment[],
  start: number,
  page: number,
  most = Number.POSITIVE_INFINITY,
): DmaMapping[] {
  const mappings: DmaMapping[] = []
  let at = start
  let open = false
  for (const { cpu, length } of segments) {
    const offset = cpu % page
    const last = mappings[mappings.length - 1]
    if (open && last && offset === 0 && last.length + length <= most) {
      mappings[mappings.length - 1] = { ...last, length: last.length + length }
    } else {
      mappings.push({ cpu, hi: highWord(at), lo: lowWord(at + offset), length })
    }
    at += pagesSpanned(offset, length, page) * page
    open = (offset + length) % page === 0
  }
  return mappings
}
