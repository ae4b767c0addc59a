import { type AnnotatedLine, hexPair, type WordField } from '@dmascope/layout'
import type { DeviceTree } from '../device-tree.ts'
import { fdt_header, fdt_reserve_entry } from '../spec/fdt.ts'
import { nameFromBytes } from '../values.ts'
import { annotateStructure } from './annotate-structure.ts'
import { hexOf, LineMaker } from './lines.ts'

const { fields } = fdt_header

/**
 * Every byte of a blob, in order: its header, its blocks, and what is between and behind them. Of a damaged blob, blocks
 * are followed as far as they make sense, and the rest is told as bytes.
 *
 * @param tree - what `parseDtb` made of the blob, for the meaning of properties; null where it made nothing of it
 */
export function* annotateDtb(bytes: Uint8Array, tree: DeviceTree | null): Generator<AnnotatedLine, void> {
  const lines = new LineMaker(bytes)
  if (bytes.length < fdt_header.size) {
    yield* lines.raw('bytes', 0, bytes.length)
    return
  }
  const view = lines.view
  const version = fields.version.get(view, 0)
  const headerEnd = version >= 17 ? fdt_header.size : fields.size_dt_struct.offset
  yield* annotateHeader(lines, headerEnd)
  const structure = fields.off_dt_struct.get(view, 0)
  const structureSize = version >= 17 ? fields.size_dt_struct.get(view, 0) : bytes.length
  const strings = { start: fields.off_dt_strings.get(view, 0), size: fields.size_dt_strings.get(view, 0) }
  const blocks = [
    { start: fields.off_mem_rsvmap.get(view, 0), annotate: annotateReservations, size: bytes.length },
    { ...strings, annotate: annotateStrings },
    {
      start: structure,
      size: structureSize,
      annotate: (to: LineMaker, start: number, end: number) => annotateStructure(to, start, end, strings, tree),
    },
  ].sort((a, b) => a.start - b.start)
  let covered = headerEnd
  for (const [index, { start, size, annotate }] of blocks.entries()) {
    // A block that starts before the last one ends cannot be told; nor one outside.
    if (start < covered || start >= bytes.length) continue
    yield* lines.gap(covered, start)
    const next = blocks[index + 1]?.start ?? bytes.length
    covered = yield* annotate(lines, start, Math.min(start + size, next > start ? next : bytes.length, bytes.length))
  }
  const totalsize = fields.totalsize.get(view, 0)
  if (totalsize > covered && totalsize < bytes.length) {
    yield* lines.gap(covered, totalsize)
    covered = totalsize
  }
  yield* lines.gap(covered, bytes.length)
}

function* annotateHeader(lines: LineMaker, end: number): Generator<AnnotatedLine, void> {
  yield lines.heading(0, fdt_header)
  for (const [name, { offset, size, get }] of Object.entries(fields as Record<string, WordField>)) {
    if (offset >= end) break
    const value = get(lines.view, 0)
    yield lines.line(offset, size, name, `0x${value.toString(16).padStart(8, '0')}`, MEANINGS[name]?.(value) ?? '')
  }
}

const inBytes = (value: number): string => `${value} bytes`
const MEANINGS: Readonly<Record<string, (value: number) => string>> = {
  totalsize: inBytes,
  version: String,
  last_comp_version: String,
  size_dt_strings: inBytes,
  size_dt_struct: inBytes,
}

/** Entries up to the one of zeros; answers where they end. */
function* annotateReservations(lines: LineMaker, start: number, end: number): Generator<AnnotatedLine, number> {
  const { size, fields: entry } = fdt_reserve_entry
  yield lines.heading(start, { ...fdt_reserve_entry, name: 'memory reservations' })
  let at = start
  for (let ended = false; !ended && at + size <= end; at += size) {
    ended = true
    for (const name of ['address', 'size'] as const) {
      const { hi, lo, offset } = entry[name]
      const pair = [hi.get(lines.view, at), lo.get(lines.view, at)] as const
      if (pair[0] !== 0 || pair[1] !== 0) ended = false
      yield lines.line(at + offset, 8, name, `0x${hexPair(...pair)}`)
    }
  }
  return at
}

/** Names up to `end`; answers where the last one's NUL is. */
function* annotateStrings(lines: LineMaker, start: number, end: number): Generator<AnnotatedLine, number> {
  yield lines.heading(start, { name: 'strings block', source: STRINGS_SOURCE })
  const { bytes } = lines
  for (let at = start; at < end; ) {
    const nul = bytes.indexOf(0, at)
    const stop = nul < 0 || nul >= end ? end : nul + 1
    yield lines.line(at, stop - at, hexOf(at - start), JSON.stringify(nameFromBytes(bytes, at, end)))
    at = stop
  }
  return end
}
const STRINGS_SOURCE = 'Devicetree Specification v0.4 §5.5'
