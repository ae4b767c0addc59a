import type { DeviceTree } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import type { DtProperty } from '../property.ts'
import {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_MAGIC,
  FDT_NOP,
  FDT_PROP,
  fdt_header,
  fdt_reserve_entry,
} from '../spec/fdt.ts'
import { pairFromU64 } from '../values.ts'
import { DtbBlob } from './blob.ts'
import { GrowingBytes } from './growing-bytes.ts'
import { StringTable } from './string-table.ts'

const { fields } = fdt_header

/** How a blob is to be laid out. */
export interface WriteOptions {
  /**
   * `kept`: in the form of the blob that the tree was read from: its names where they stood, its FDT_NOPs, and, where no
   * block has changed its size, its gaps, order and offsets. `canonical`: as `dtc` does it. Default `kept`.
   */
  readonly form?: 'kept' | 'canonical'
  /** Bytes of room behind the blocks, for software that edits the tree in place. Default 0; a kept layout has its own. */
  readonly padding?: number
}

/**
 * Writes a devicetree blob of version 17, or of the version that the tree was read from. A tree that was read and not
 * edited gives the bytes that it was read from.
 *
 * @throws RangeError where a reservation is no 64-bit value, or `padding` no count of bytes
 */
export function buildDtb(tree: DeviceTree, options: WriteOptions = {}): Uint8Array {
  const { form = 'kept', padding = 0 } = options
  if (!(Number.isSafeInteger(padding) && padding >= 0))
    throw new RangeError(`padding is ${padding}, not a count of bytes`)
  const blob = form === 'kept' ? tree.blob : null
  const strings = new StringTable(blob === null ? undefined : blockBytes(blob, blob.strings))
  const structure = writeStructure(tree.root, blob, strings)
  const reservations = writeReservations(tree)
  const blocks = { reservations, structure, strings: strings.bytes() }
  const inPlace = blob !== null && hasSameSizes(blob, blocks)
  return inPlace ? layInPlace(tree, blob, blocks) : layOut(tree, blob, blocks, padding)
}

interface Blocks {
  readonly reservations: Uint8Array
  readonly structure: Uint8Array
  readonly strings: Uint8Array
}

const blockBytes = (blob: DtbBlob, { offset, size }: { offset: number; size: number }): Uint8Array =>
  blob.bytes.subarray(offset, offset + size)

const hasSameSizes = (blob: DtbBlob, blocks: Blocks): boolean =>
  blocks.reservations.length === blob.reservations.size &&
  blocks.structure.length === blob.structure.size &&
  blocks.strings.length === blob.strings.size

function writeReservations({ reservations }: DeviceTree): Uint8Array {
  const { size, fields: entry } = fdt_reserve_entry
  const bytes = new Uint8Array((reservations.length + 1) * size)
  const view = new DataView(bytes.buffer)
  reservations.forEach((one, index) => {
    for (const name of ['address', 'size'] as const) {
      const [hi, lo] = pairFromU64(one[name])
      entry[name].hi.set(view, index * size, hi)
      entry[name].lo.set(view, index * size, lo)
    }
  })
  return bytes
}

/** The blocks where they were, and between them what was there. */
function layInPlace(tree: DeviceTree, blob: DtbBlob, blocks: Blocks): Uint8Array {
  const bytes = new Uint8Array(blob.bytes.length)
  const placed = [
    [0, blob.version >= 17 ? fdt_header.size : fields.size_dt_struct.offset, null],
    [blob.reservations.offset, blocks.reservations.length, blocks.reservations],
    [blob.structure.offset, blocks.structure.length, blocks.structure],
    [blob.strings.offset, blocks.strings.length, blocks.strings],
  ] as const
  let gap = 0
  for (const [offset, size, block] of [...placed].sort((a, b) => a[0] - b[0])) {
    if (offset > gap) bytes.set(blob.bytes.subarray(gap, offset), gap)
    if (block !== null) bytes.set(block, offset)
    gap = Math.max(gap, offset + size)
  }
  bytes.set(blob.bytes.subarray(gap), gap)
  writeHeader(tree, bytes, {
    totalsize: blob.totalsize,
    off_dt_struct: blob.structure.offset,
    off_dt_strings: blob.strings.offset,
    off_mem_rsvmap: blob.reservations.offset,
    version: blob.version,
    last_comp_version: blob.lastCompVersion,
    size_dt_strings: blob.strings.size,
    size_dt_struct: blob.structure.size,
  })
  return bytes
}

/** Header, reservations, structure, strings, without gaps: the order of §5.1. */
function layOut(tree: DeviceTree, blob: DtbBlob | null, blocks: Blocks, padding: number): Uint8Array {
  const off_mem_rsvmap = fdt_header.size
  const off_dt_struct = off_mem_rsvmap + blocks.reservations.length
  const off_dt_strings = off_dt_struct + blocks.structure.length
  const totalsize = off_dt_strings + blocks.strings.length + padding
  const bytes = new Uint8Array(totalsize)
  bytes.set(blocks.reservations, off_mem_rsvmap)
  bytes.set(blocks.structure, off_dt_struct)
  bytes.set(blocks.strings, off_dt_strings)
  writeHeader(tree, bytes, {
    totalsize,
    off_dt_struct,
    off_dt_strings,
    off_mem_rsvmap,
    version: Math.max(blob?.version ?? 17, 17),
    last_comp_version: blob?.lastCompVersion ?? 16,
    size_dt_strings: blocks.strings.length,
    size_dt_struct: blocks.structure.length,
  })
  return bytes
}

type Header = Readonly<Record<Exclude<keyof typeof fields, 'magic' | 'boot_cpuid_phys'>, number>>

function writeHeader(tree: DeviceTree, bytes: Uint8Array, header: Header): void {
  const view = new DataView(bytes.buffer)
  fields.magic.set(view, 0, FDT_MAGIC)
  fields.boot_cpuid_phys.set(view, 0, tree.bootCpuid)
  for (const name of Object.keys(header) as (keyof Header)[]) {
    if (name !== 'size_dt_struct' || header.version >= 17) fields[name].set(view, 0, header[name])
  }
}

/** The tokens of the whole tree. */
function writeStructure(root: DtNode, blob: DtbBlob | null, strings: StringTable): Uint8Array {
  const out = new GrowingBytes(blob === null ? 4096 : blob.structure.size)
  const writer = new NodeWriter(out, blob, strings)
  const nodes: DtNode[] = [root]
  const next: number[] = [0]
  writer.begin(root)
  while (nodes.length > 0) {
    const top = nodes.length - 1
    const one = nodes[top]!
    const index = next[top]!
    writer.late(one, index)
    const child = one.children[index]
    if (child === undefined) {
      writer.end(one)
      nodes.pop()
      next.pop()
    } else {
      next[top] = index + 1
      writer.begin(child)
      nodes.push(child)
      next.push(0)
    }
  }
  writer.finish()
  return out.written()
}

/** Writes nodes; `blob` is the one whose form is kept, if any. */
class NodeWriter {
  readonly #out: GrowingBytes
  readonly #blob: DtbBlob | null
  readonly #strings: StringTable
  readonly #isPlain: boolean
  readonly #renames = new Map<number, number>()
  #renamedFrom: DtbBlob | null = null

  constructor(out: GrowingBytes, blob: DtbBlob | null, strings: StringTable) {
    this.#out = out
    this.#blob = blob
    this.#strings = strings
    this.#isPlain = blob?.isPlain ?? true
  }

  /** FDT_BEGIN_NODE, the name, and the properties that stand before the children. */
  begin(one: DtNode): void {
    const out = this.#out
    const kept = this.#blob !== null && one.source === this.#blob ? this.#blob : null
    const at = one.sourceOffset
    if (kept !== null && !this.#isPlain) this.#nops(kept.nops.get(at))
    out.u32(FDT_BEGIN_NODE)
    if (kept !== null && this.#isPlain && one.isUnread) {
      this.#copyUnread(kept, at)
      return
    }
    if (kept === null && one.isUnread && one.source instanceof DtbBlob && one.source.isPlain) {
      this.#recodeUnread(one.source, at)
      return
    }
    out.name(one.name)
    this.#pad(kept, at, at + 4 + one.name.length + 1)
    for (const made of one.properties) {
      if (kept === null || !this.#isLate(kept, at, made)) this.#property(made)
    }
  }

  /** The properties that stood behind so many children. */
  late(one: DtNode, behind: number): void {
    const blob = this.#blob
    if (this.#isPlain || blob === null || one.source !== blob) return
    for (const entry of blob.late.get(one.sourceOffset) ?? []) {
      const isHere = entry.behind === behind || (entry.behind > behind && behind === one.children.length)
      const made = isHere && one.properties.find(({ data, start }) => data === blob.bytes && start === entry.at + 12)
      if (made) this.#property(made)
    }
  }

  end(one: DtNode): void {
    if (!this.#isPlain && one.source === this.#blob) this.#nops(this.#blob?.nopsAtEnd.get(one.sourceOffset))
    this.#out.u32(FDT_END_NODE)
  }

  finish(): void {
    const blob = this.#blob
    this.#nops(blob?.nopsBeforeEnd)
    this.#out.u32(FDT_END)
    if (blob === null || blob.tailSize === 0) return
    const { offset, size } = blob.structure
    this.#out.copy(blob.bytes, offset + size - blob.tailSize, blob.tailSize)
  }

  /** Name and properties of a node that nobody has read, as they stand: the strings block is kept, so offsets hold. */
  #copyUnread(blob: DtbBlob, at: number): void {
    const { bytes, view } = blob
    let end = at + 4
    while (bytes[end] !== 0) end++
    end = blob.align(end + 1)
    while (view.getUint32(end) === FDT_PROP) end = blob.align(end + 12 + view.getUint32(end + 4))
    this.#out.copy(bytes, at + 4, end - at - 4)
  }

  /** The same where the strings are others. */
  #recodeUnread(blob: DtbBlob, at: number): void {
    const out = this.#out
    const { bytes, view } = blob
    let end = at + 4
    while (bytes[end] !== 0) end++
    out.copy(bytes, at + 4, end - at - 3)
    out.align()
    for (let token = blob.align(end + 1); view.getUint32(token) === FDT_PROP; ) {
      const length = view.getUint32(token + 4)
      const next = blob.align(token + 12 + length)
      const start = out.length
      out.copy(bytes, token, next - token)
      out.view.setUint32(start + 8, this.#renamed(blob, view.getUint32(token + 8)))
      token = next
    }
  }

  /** Where a name of another strings block stands in this one. */
  #renamed(blob: DtbBlob, nameOffset: number): number {
    if (blob !== this.#renamedFrom) {
      this.#renamedFrom = blob
      this.#renames.clear()
    }
    let offset = this.#renames.get(nameOffset)
    if (offset === undefined) {
      offset = this.#strings.offsetOf(blob.propertyName(nameOffset))
      this.#renames.set(nameOffset, offset)
    }
    return offset
  }

  #property(made: DtProperty): void {
    const out = this.#out
    const blob = this.#blob
    const kept = blob !== null && made.nameOffset >= 0 && made.data === blob.bytes ? blob : null
    const token = made.start - 12
    if (kept !== null && !this.#isPlain) this.#nops(kept.nops.get(token))
    out.reserve(12)
    const { view, length } = out
    view.setUint32(length, FDT_PROP)
    view.setUint32(length + 4, made.length)
    view.setUint32(length + 8, kept === null ? this.#strings.offsetOf(made.name) : made.nameOffset)
    out.length = length + 12
    out.copy(made.data, made.start, made.length)
    this.#pad(kept, token, made.start + made.length)
  }

  /** Padding up to 4 bytes: zeros, but where the blob had others. */
  #pad(kept: DtbBlob | null, token: number, from: number): void {
    if (!this.#isPlain && kept?.padded.has(token)) this.#out.copy(kept.bytes, from, -this.#out.length & 3)
    else this.#out.align()
  }

  #isLate(blob: DtbBlob, at: number, made: DtProperty): boolean {
    if (this.#isPlain || made.data !== blob.bytes) return false
    return blob.late.get(at)?.some((entry) => entry.at + 12 === made.start) ?? false
  }

  #nops(count = 0): void {
    for (let index = 0; index < count; index++) this.#out.u32(FDT_NOP)
  }
}
