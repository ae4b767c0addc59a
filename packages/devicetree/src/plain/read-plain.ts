import { DmascopeError } from '@dmascope/layout'
import type { DeviceTree } from '../device-tree.ts'
import type { DtbBlob } from '../dtb/blob.ts'
import { StringTable } from '../dtb/string-table.ts'
import { looksLikeText } from '../dts/format.ts'
import type { DtNode } from '../node.ts'
import type { DtProperty } from '../property.ts'
import { fdt_header } from '../spec/fdt.ts'
import { nameFromBytes } from '../values.ts'
import { DEEPEST_PLAIN, type PlainLayout, type PlainNode, type PlainProperty, type PlainTree } from './plain-tree.ts'

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

/**
 * A tree as plain data that JSON can hold. Of a tree that was read from a blob, `buildPlainTree` makes the same bytes of
 * it; changes to the tree since are in it, but only for a tree that was not changed is the layout sure to fit.
 *
 * @throws DmascopeError `DTB_DEPTH` where nodes are nested deeper than 256
 */
export function plainTree(tree: DeviceTree): PlainTree {
  const { bootCpuid, reservations, blob } = tree
  const names = new Names(blob)
  const root = plainNode(tree.root, blob, names, 0)
  const layout = blob === null ? {} : plainLayout(blob, names, tree)
  return {
    ...(bootCpuid !== 0 && { bootCpuid }),
    ...(reservations.length > 0 && { reservations: reservations.map(({ address, size }) => ({ address, size })) }),
    root,
    ...(Object.keys(layout).length > 0 && { layout }),
  }
}

/** Finds out whether the strings block is what a writer would make of the names in the order of their use. */
class Names {
  readonly #fresh = new StringTable()
  readonly #seeded: StringTable | null
  /** Properties whose names stand elsewhere than `#seeded` would find them. */
  readonly moved: { readonly made: Writable<PlainProperty>; readonly nameOffset: number }[] = []
  isFresh = true

  constructor(blob: DtbBlob | null) {
    this.#seeded = blob === null ? null : new StringTable(stringsOf(blob))
  }

  add(made: Writable<PlainProperty>, nameOffset: number): void {
    if (this.#seeded === null) return
    if (nameOffset !== this.#fresh.offsetOf(made.name)) this.isFresh = false
    // A property without a name is found by its offset alone.
    if (made.name === '') this.isFresh = false
    if (made.name === '' || nameOffset !== this.#seeded.offsetOf(made.name)) this.moved.push({ made, nameOffset })
  }

  /** Whether the block needs no telling. */
  areTold(blob: DtbBlob): boolean {
    return this.isFresh && sameBytes(this.#fresh.bytes(), stringsOf(blob))
  }
}

const stringsOf = ({ bytes, strings: { offset, size } }: DtbBlob): Uint8Array => bytes.subarray(offset, offset + size)
const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])

function plainNode(one: DtNode, blob: DtbBlob | null, names: Names, depth: number): PlainNode {
  if (depth > DEEPEST_PLAIN) {
    throw new DmascopeError('DTB_DEPTH', `nodes are nested deeper than ${DEEPEST_PLAIN}; that has no plain form`)
  }
  const made: Writable<PlainNode> = { name: one.name }
  const kept = blob !== null && one.source === blob ? blob : null
  const at = one.sourceOffset
  if (kept !== null && !kept.isPlain) {
    const nops = kept.nops.get(at)
    if (nops !== undefined) made.nops = nops
    const nopsAtEnd = kept.nopsAtEnd.get(at)
    if (nopsAtEnd !== undefined) made.nopsAtEnd = nopsAtEnd
    if (kept.padded.has(at)) made.padding = paddingOf(kept, at + 4 + one.name.length + 1)
  }
  const lateEntries = kept?.late.get(at)
  const late = lateEntries && new Map(lateEntries.map((entry) => [entry.at + 12, entry.behind]))
  if (one.properties.length > 0) {
    made.properties = one.properties.map((property) => {
      const plain = plainProperty(property, kept, names)
      const behind = late?.get(property.start)
      if (behind !== undefined) plain.behind = behind
      return plain
    })
  }
  if (one.children.length > 0) made.children = one.children.map((child) => plainNode(child, blob, names, depth + 1))
  return made
}

function plainProperty(property: DtProperty, blob: DtbBlob | null, names: Names): Writable<PlainProperty> {
  const { name, length, start, nameOffset } = property
  const made: Writable<PlainProperty> = { name }
  if (length > 0) {
    if (looksLikeText(property)) made.strings = property.strings()
    else if (length % 4 === 0) made.cells = property.cells()
    else made.bytes = hexOf(property.value)
  }
  if (blob === null || property.data !== blob.bytes || nameOffset < 0) return made
  if (!blob.isPlain) {
    const token = start - 12
    const nops = blob.nops.get(token)
    if (nops !== undefined) made.nops = nops
    if (blob.padded.has(token)) made.padding = paddingOf(blob, start + length)
  }
  names.add(made, nameOffset)
  return made
}

const paddingOf = (blob: DtbBlob, from: number): string => hexOf(blob.bytes.subarray(from, blob.align(from)))

function hexOf(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index++) text += (bytes[index]! + 0x100).toString(16).slice(1)
  return text
}

function plainLayout(blob: DtbBlob, names: Names, tree: DeviceTree): PlainLayout {
  const { bytes, version, lastCompVersion, totalsize, reservations, structure, strings } = blob
  const layout: Writable<PlainLayout> = {}
  if (version !== 17) layout.version = version
  if (lastCompVersion !== 16) layout.last_comp_version = lastCompVersion
  if (!names.areTold(blob)) {
    const block = stringsOf(blob)
    layout.strings = namesIn(block)
    const tail = block.subarray(block.lastIndexOf(0) + 1)
    if (tail.length > 0) layout.stringsTail = hexOf(tail)
    for (const { made, nameOffset } of names.moved) made.nameOffset = nameOffset
  }
  // Before version 17 nothing says where the structure ends: what is behind its FDT_END is a gap.
  const tail = version >= 17 ? blob.tailSize : 0
  const structureEnd = structure.offset + structure.size
  const structureSize = structure.size - blob.tailSize + tail
  const expected = { at: fdt_header.size }
  const place = (name: 'off_mem_rsvmap' | 'off_dt_struct' | 'off_dt_strings', offset: number, size: number): void => {
    if (offset !== expected.at) layout[name] = offset
    expected.at = offset + size
  }
  place('off_mem_rsvmap', reservations.offset, reservations.size)
  place('off_dt_struct', structure.offset, structureSize)
  place('off_dt_strings', strings.offset, strings.size)
  const ends = [reservations, { offset: structure.offset, size: structureSize }, strings].map(
    (one) => one.offset + one.size,
  )
  if (totalsize !== Math.max(fdt_header.size, ...ends)) layout.totalsize = totalsize
  if (blob.nopsBeforeEnd > 0) layout.nopsBeforeEnd = blob.nopsBeforeEnd
  if (tail > 0) layout.structTail = hexOf(bytes.subarray(structureEnd - tail, structureEnd))
  const gaps = gapsOf(blob, structureSize, (tree.reservations.length + 1) * 16)
  if (gaps.length > 0) layout.gaps = gaps
  if (bytes.length > totalsize) layout.beyond = hexOf(bytes.subarray(totalsize))
  return layout
}

function namesIn(block: Uint8Array): string[] {
  const names: string[] = []
  for (let start = 0, end = block.indexOf(0); end >= 0; start = end + 1, end = block.indexOf(0, start)) {
    names.push(nameFromBytes(block, start, end))
  }
  return names
}

/** Runs of bytes outside of header and blocks, from the first to the last that is not zero. */
function gapsOf(blob: DtbBlob, structureSize: number, reservationsSize: number): { offset: number; data: string }[] {
  const { bytes, version, totalsize, reservations, structure, strings } = blob
  const header = version >= 17 ? fdt_header.size : fdt_header.fields.size_dt_struct.offset
  const taken = [
    [0, header],
    [reservations.offset, reservations.offset + reservationsSize],
    [structure.offset, structure.offset + structureSize],
    [strings.offset, strings.offset + strings.size],
    [totalsize, totalsize],
  ].sort((a, b) => a[0]! - b[0]!)
  const gaps: { offset: number; data: string }[] = []
  let covered = 0
  for (const [start = 0, end = 0] of taken) {
    let first = covered
    let last = start
    while (first < last && bytes[first] === 0) first++
    while (last > first && bytes[last - 1] === 0) last--
    if (last > first) gaps.push({ offset: first, data: hexOf(bytes.subarray(first, last)) })
    covered = Math.max(covered, end)
  }
  return gaps
}
