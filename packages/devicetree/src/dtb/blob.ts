import type { NodeSource } from '../node.ts'
import { DtProperty } from '../property.ts'
import { FDT_BEGIN_NODE, FDT_END_NODE, FDT_PROP } from '../spec/fdt.ts'
import { nameFromBytes } from '../values.ts'

/** Where a block lies in a blob: bytes. */
export interface BlobBlock {
  readonly offset: number
  readonly size: number
}

/**
 * A blob that was checked from end to end, and the form that it has: what a tree does not say, but its bytes do. The
 * nodes of its tree decode themselves from it when they are asked.
 *
 * Offsets count from the blob's first byte; a node or property is known by the offset of its token.
 */
export class DtbBlob implements NodeSource {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly totalsize: number
  readonly version: number
  readonly lastCompVersion: number
  /** With the entry of zeros that ends it. */
  readonly reservations: BlobBlock
  readonly structure: BlobBlock
  readonly strings: BlobBlock
  /** How many FDT_NOPs stand before the token at an offset, where there are any. */
  readonly nops = new Map<number, number>()
  /** The same before the FDT_END_NODE of the node at an offset. */
  readonly nopsAtEnd = new Map<number, number>()
  /** Tokens whose padding is not zero. */
  readonly padded = new Set<number>()
  /** Per node, the tokens of properties that stand behind children, and behind how many. */
  readonly late = new Map<number, { readonly at: number; readonly behind: number }[]>()
  /** FDT_NOPs between the root and FDT_END. */
  nopsBeforeEnd = 0
  /** Bytes of the structure block behind FDT_END. */
  tailSize = 0
  readonly #names = new Map<number, string>()

  constructor(
    bytes: Uint8Array,
    header: { readonly totalsize: number; readonly version: number; readonly lastCompVersion: number },
    blocks: { readonly reservations: BlobBlock; readonly structure: BlobBlock; readonly strings: BlobBlock },
  ) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.totalsize = header.totalsize
    this.version = header.version
    this.lastCompVersion = header.lastCompVersion
    this.reservations = blocks.reservations
    this.structure = blocks.structure
    this.strings = blocks.strings
  }

  /** Whether every node is its tokens and nothing more, so that runs of properties can be copied as they are. */
  get isPlain(): boolean {
    return this.nops.size === 0 && this.nopsAtEnd.size === 0 && this.padded.size === 0 && this.late.size === 0
  }

  name(at: number): string {
    return nameFromBytes(this.bytes, at + 4, this.bytes.length)
  }

  properties(at: number): DtProperty[] {
    const all: DtProperty[] = []
    for (let token = this.firstToken(at); token !== -1; token = this.nextProperty(token)) {
      if (this.view.getUint32(token) === FDT_PROP) all.push(this.propertyAt(token))
    }
    for (const one of this.late.get(at) ?? []) all.push(this.propertyAt(one.at))
    return all
  }

  property(at: number, name: string): DtProperty | undefined {
    for (let token = this.firstToken(at); token !== -1; token = this.nextProperty(token)) {
      if (this.view.getUint32(token) === FDT_PROP && this.propertyName(this.view.getUint32(token + 8)) === name) {
        return this.propertyAt(token)
      }
    }
    for (const one of this.late.get(at) ?? []) {
      if (this.propertyName(this.view.getUint32(one.at + 8)) === name) return this.propertyAt(one.at)
    }
    return undefined
  }

  /** The token behind a node's name; -1 where that begins or ends a node. */
  firstToken(at: number): number {
    let end = at + 4
    while (this.bytes[end] !== 0) end++
    return this.#unlessNode(this.align(end + 1))
  }

  /** The token behind a property or FDT_NOP; -1 where that begins or ends a node. */
  nextProperty(token: number): number {
    const isProperty = this.view.getUint32(token) === FDT_PROP
    return this.#unlessNode(isProperty ? this.align(token + 12 + this.view.getUint32(token + 4)) : token + 4)
  }

  #unlessNode(token: number): number {
    const kind = this.view.getUint32(token)
    return kind === FDT_BEGIN_NODE || kind === FDT_END_NODE ? -1 : token
  }

  /** Tokens are aligned to 4 bytes from the structure block's start. */
  align(offset: number): number {
    return offset + (-(offset - this.structure.offset) & 3)
  }

  propertyAt(token: number): DtProperty {
    const length = this.view.getUint32(token + 4)
    const nameOffset = this.view.getUint32(token + 8)
    return new DtProperty(this.propertyName(nameOffset), this.bytes, token + 12, length, nameOffset)
  }

  /** A name of the strings block, decoded once. */
  propertyName(nameOffset: number): string {
    const known = this.#names.get(nameOffset)
    if (known !== undefined) return known
    const { offset, size } = this.strings
    const name = nameFromBytes(this.bytes, offset + nameOffset, offset + size)
    this.#names.set(nameOffset, name)
    return name
  }
}
