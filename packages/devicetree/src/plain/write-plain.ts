import { GrowingBytes } from '../dtb/growing-bytes.ts'
import { StringTable } from '../dtb/string-table.ts'
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
import { nameFromBytes, pairFromU64 } from '../values.ts'
import type { PlainLayout, PlainNode, PlainProperty, PlainTree } from './plain-tree.ts'

/** No blob that is built from plain data is larger: a wrong offset must not ask for all memory. */
const LARGEST = 0x1000_0000

/**
 * The blob of a tree in plain data: version 17 in the order of §5.1, but for what `layout` says.
 *
 * @throws RangeError with the path of what does not fit, as in `root.children[2].properties[0]: ...`
 */
export function buildPlainTree(tree: PlainTree): Uint8Array {
  const layout = tree.layout ?? {}
  const strings = new StringTable(layout.strings === undefined ? undefined : stringsBlock(layout))
  const writer = new PlainWriter(strings)
  writer.node(tree.root)
  writer.finish(layout)
  const { fields, size: headerSize } = fdt_header
  const reservations = reservationBlock(tree)
  const structure = writer.bytes()
  const names = strings.bytes()
  const off_mem_rsvmap = layout.off_mem_rsvmap ?? headerSize
  const off_dt_struct = layout.off_dt_struct ?? off_mem_rsvmap + reservations.length
  const off_dt_strings = layout.off_dt_strings ?? off_dt_struct + structure.length
  const version = layout.version ?? 17
  const blocks = [
    { name: 'header', offset: 0, data: new Uint8Array(version >= 17 ? headerSize : fields.size_dt_struct.offset) },
    { name: 'off_mem_rsvmap', offset: off_mem_rsvmap, data: reservations },
    { name: 'off_dt_struct', offset: off_dt_struct, data: structure },
    { name: 'off_dt_strings', offset: off_dt_strings, data: names },
    ...(layout.gaps ?? []).map(({ offset, data }, index) => ({
      name: `gaps[${index}]`,
      offset,
      data: bytesOfHex(data, `layout.gaps[${index}].data`),
    })),
  ].sort((a, b) => a.offset - b.offset || a.data.length - b.data.length)
  let end = 0
  let before = ''
  for (const { name, offset, data } of blocks) {
    // An empty block may lie anywhere.
    if (data.length > 0 && offset < end) {
      throw new RangeError(`layout.${name}: ${offset} lies within ${before}, which ends at ${end}; leave layout out`)
    }
    if (data.length > 0) before = name
    end = Math.max(end, offset + data.length)
  }
  const totalsize = layout.totalsize ?? Math.max(headerSize, end)
  if (totalsize < end) throw new RangeError(`layout.totalsize: ${totalsize}, but the blocks end at ${end}`)
  if (totalsize > LARGEST) throw new RangeError(`layout.totalsize: ${totalsize} is above ${LARGEST}`)
  const beyond = bytesOfHex(layout.beyond ?? '', 'layout.beyond')
  const out = new Uint8Array(totalsize + beyond.length)
  for (const { offset, data } of blocks) out.set(data, offset)
  out.set(beyond, totalsize)
  const view = new DataView(out.buffer)
  const header = {
    magic: FDT_MAGIC,
    totalsize,
    off_dt_struct,
    off_dt_strings,
    off_mem_rsvmap,
    version,
    last_comp_version: layout.last_comp_version ?? 16,
    boot_cpuid_phys: tree.bootCpuid ?? 0,
    size_dt_strings: names.length,
    size_dt_struct: structure.length,
  }
  for (const name of Object.keys(header) as (keyof typeof header)[]) {
    if (name !== 'size_dt_struct' || version >= 17) fields[name].set(view, 0, header[name])
  }
  return out
}

function stringsBlock({ strings = [], stringsTail = '' }: PlainLayout): Uint8Array {
  const out = new GrowingBytes(256)
  for (const [index, name] of strings.entries()) out.name(checked(name, `layout.strings[${index}]`))
  const tail = bytesOfHex(stringsTail, 'layout.stringsTail')
  out.copy(tail, 0, tail.length)
  return out.written()
}

function reservationBlock({ reservations = [] }: PlainTree): Uint8Array {
  const { size, fields } = fdt_reserve_entry
  const out = new Uint8Array((reservations.length + 1) * size)
  const view = new DataView(out.buffer)
  for (const [index, entry] of reservations.entries()) {
    for (const name of ['address', 'size'] as const) {
      const [hi, lo] = pairFromU64(entry[name])
      fields[name].hi.set(view, index * size, hi)
      fields[name].lo.set(view, index * size, lo)
    }
    if (entry.address === 0 && entry.size === 0) {
      throw new RangeError(`reservations[${index}]: an entry of zeros would end the block`)
    }
  }
  return out
}

/** A name whose characters are bytes, without NUL. */
function checked(name: string, path: string): string {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index)
    if (code === 0 || code > 0xff)
      throw new RangeError(`${path}: ${JSON.stringify(name)} has a character that is no byte`)
  }
  return name
}

function bytesOfHex(digits: string, path: string): Uint8Array {
  const bytes = new Uint8Array(digits.length >>> 1)
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16)
  }
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) {
    throw new RangeError(`${path}: ${JSON.stringify(digits.slice(0, 60))} is not pairs of hexadecimal digits`)
  }
  return bytes
}

/** Which properties stand behind how many children; null, as nearly always, where none does. */
function latePropertiesOf(properties: readonly PlainProperty[]): Map<number, number[]> | null {
  let late: Map<number, number[]> | null = null
  for (const [index, { behind }] of properties.entries()) {
    if (behind === undefined) continue
    late ??= new Map()
    const there = late.get(behind)
    if (there === undefined) late.set(behind, [index])
    else there.push(index)
  }
  return late
}

/** Writes tokens; keeps the way to where it is, for errors. */
class PlainWriter {
  readonly #out = new GrowingBytes(4096)
  readonly #strings: StringTable
  readonly #children: number[] = []

  constructor(strings: StringTable) {
    this.#strings = strings
  }

  bytes(): Uint8Array {
    return this.#out.written()
  }

  node(one: PlainNode): void {
    const out = this.#out
    const properties = one.properties ?? []
    const children = one.children ?? []
    this.#nops(one.nops)
    out.u32(FDT_BEGIN_NODE)
    out.name(this.#name(one.name, 'name'))
    this.#pad(one.padding, 'padding')
    const late = latePropertiesOf(properties)
    for (let index = 0; index < properties.length; index++) {
      if (properties[index]!.behind === undefined) this.#property(properties[index]!, index)
    }
    for (let index = 0; index < children.length; index++) {
      for (const which of late?.get(index) ?? []) this.#property(properties[which]!, which)
      this.#children.push(index)
      this.node(children[index]!)
      this.#children.pop()
    }
    for (const which of late?.get(children.length) ?? []) this.#property(properties[which]!, which)
    for (const [behind, [which]] of late ?? []) {
      if (behind <= children.length) continue
      throw new RangeError(`${this.#path(`properties[${which}].behind`)}: there are ${children.length} children`)
    }
    this.#nops(one.nopsAtEnd)
    out.u32(FDT_END_NODE)
  }

  finish({ nopsBeforeEnd, structTail = '' }: PlainLayout): void {
    this.#nops(nopsBeforeEnd)
    this.#out.u32(FDT_END)
    const tail = bytesOfHex(structTail, 'layout.structTail')
    this.#out.copy(tail, 0, tail.length)
  }

  #property(one: PlainProperty, index: number): void {
    const out = this.#out
    const { name, strings, cells, bytes } = one
    this.#nops(one.nops)
    out.u32(FDT_PROP)
    const head = out.length
    out.u32(0)
    out.u32(this.#nameOffset(one, index))
    const start = out.length
    if (Number(strings !== undefined) + Number(cells !== undefined) + Number(bytes !== undefined) > 1) {
      throw new RangeError(
        `${this.#path(`properties[${index}]`)}: ${name} has more than one of strings, cells and bytes`,
      )
    }
    if (cells !== undefined) for (const cell of cells) out.u32(cell)
    if (strings !== undefined) {
      for (const [at, text] of strings.entries()) out.name(this.#name(text, `properties[${index}].strings[${at}]`))
    }
    if (bytes !== undefined) {
      const data = bytesOfHex(bytes, this.#path(`properties[${index}].bytes`))
      out.copy(data, 0, data.length)
    }
    out.view.setUint32(head, out.length - start)
    this.#pad(one.padding, `properties[${index}].padding`)
    if (out.length > LARGEST)
      throw new RangeError(`${this.#path(`properties[${index}]`)}: the blob exceeds ${LARGEST} bytes`)
  }

  #nameOffset({ name, nameOffset }: PlainProperty, index: number): number {
    if (nameOffset === undefined) {
      if (name === '') throw new RangeError(`${this.#path(`properties[${index}].name`)}: it is empty`)
      return this.#strings.offsetOf(this.#name(name, `properties[${index}].name`))
    }
    const block = this.#strings.bytes()
    const there = nameFromBytes(block, nameOffset, block.length)
    if (there !== name) {
      const path = this.#path(`properties[${index}].nameOffset`)
      throw new RangeError(`${path}: ${JSON.stringify(there)} stands there, not ${JSON.stringify(name)}; leave it out`)
    }
    return nameOffset
  }

  #name(text: string, key: string): string {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code === 0 || code > 0xff) checked(text, this.#path(key))
    }
    return text
  }

  #pad(padding: string | undefined, key: string): void {
    if (padding === undefined) {
      this.#out.align()
      return
    }
    const data = bytesOfHex(padding, this.#path(key))
    const wanted = -this.#out.length & 3
    if (data.length !== wanted) {
      throw new RangeError(`${this.#path(key)}: ${data.length} bytes, where ${wanted} stand; leave it out`)
    }
    this.#out.copy(data, 0, data.length)
  }

  #nops(count = 0): void {
    if (this.#out.length + count * 4 > LARGEST) throw new RangeError(`${this.#path('nops')}: ${count} exceed a blob`)
    for (let index = 0; index < count; index++) this.#out.u32(FDT_NOP)
  }

  #path(key: string): string {
    return `root${this.#children.map((index) => `.children[${index}]`).join('')}.${key}`
  }
}
