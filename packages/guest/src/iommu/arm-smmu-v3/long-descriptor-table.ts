import type { MappingUse, PageAllocator } from '@dmascope/dma'
import { DESCRIPTOR_TYPE, STAGE_1_DESCRIPTOR_BITS } from '@dmascope/iommu/smmuv3/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'

const PAGE = 4096
const ENTRIES = 512
const LEVELS = 4
const { Type, AttrIndx, AP, SH, AF, nG, UXN, PXN, Address } = STAGE_1_DESCRIPTOR_BITS.fields
const VALID = 1
const UNPRIVILEGED = 1
const READ_ONLY = 2
const INNER_SHAREABLE = 3
/** Index into MAIR: write-back memory, and a device's registers. */
const ATTRIBUTES_CACHED = 1
const ATTRIBUTES_DEVICE = 2
/** MAIR of those indices: 0 not cached, 1 write-back, 2 device, 3 inner not cached. */
export const MAIR = 0xf404_ff44

/** Bytes that one descriptor maps; depth 3 has pages of 4 KiB. */
const spanOf = (depth: number): number => PAGE * ENTRIES ** (LEVELS - 1 - depth)
/** Blocks are of 1 GiB and 2 MiB. */
const FIRST_LEAF_DEPTH = 1

/** What a page is for. */
export type PageUse = MappingUse | 'registers'

/** What an unmap left to be invalidated. */
export interface Unmapped {
  /** Bytes that each descriptor mapped; the smallest, where they differ. */
  readonly granule: number
  /** Tables that were unlinked, which the hardware may still walk. The caller frees them when it no longer can. */
  readonly tables: readonly number[]
}

/** Stage 1 tables in guest memory as Linux builds them: VMSAv8-64, granule of 4 KiB, 48 bits in. */
export class LongDescriptorTable {
  /** Guest-physical address of the top table. */
  readonly root: number
  /** One past the last address that the table reaches. */
  readonly end = 2 ** 48
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #outputEnd: number
  /** Pages that are tables of this one. What a descriptor says is believed only of these: memory may be damaged. */
  readonly #tables = new Set<number>()
  #depth = 0

  private constructor(bus: CpuBus, pages: PageAllocator, outputBits: number, root: number) {
    this.#bus = bus
    this.#pages = pages
    this.#outputEnd = 2 ** outputBits
    this.root = root
  }

  /** An empty table; null where memory ran out. */
  static create(bus: CpuBus, pages: PageAllocator, outputBits: number): LongDescriptorTable | null {
    const root = pages.allocate(1)
    return root === null ? null : new LongDescriptorTable(bus, pages, outputBits, root)
  }

  /**
   * Maps [iova, iova + length) onto [physical, physical + length) in the largest blocks that fit. All are multiples of
   * 4096. A page that is only to be written can be read too: stage 1 has no other way.
   *
   * @returns false, with nothing changed, where a page was mapped already, or table memory ran out
   */
  map(iova: number, physical: number, length: number, access: 1 | 2 | 3, use: PageUse = 'memory'): boolean {
    if (length <= 0 || iova + length > this.end || physical + length > this.#outputEnd) return false
    const [attributesHi, attributesLo] = attributesOf(access, use)
    let done = 0
    while (done < length) {
      const at = this.#descriptorFor(iova + done, largestDepth(iova + done, physical + done, length - done))
      if (at === null || (this.#bus.read32(at) & VALID) !== 0) {
        for (const table of this.unmap(iova, done).tables) this.#pages.free(table, 1)
        return false
      }
      const depth = this.#depth
      const type = depth === LEVELS - 1 ? DESCRIPTOR_TYPE.page : DESCRIPTOR_TYPE.block
      const output = physical + done
      // The half with the type last: until then the descriptor is not valid.
      this.#bus.write32(at + 4, (highWord(output) | attributesHi) >>> 0)
      this.#bus.write32(at, Type.setLo((lowWord(output) | attributesLo) >>> 0, type))
      done += spanOf(depth)
    }
    return true
  }

  /** Clears the range; a block that begins in it goes whole. A table goes where all that it maps does, at its size. */
  unmap(iova: number, length: number): Unmapped {
    const tables: number[] = []
    const end = Math.min(iova + length, this.end)
    let granule = 0
    for (let at = iova; at < end; ) {
      const mapped = this.#remove(at, largestDepth(at, 0, end - at), tables)
      const span = spanOf(this.#depth)
      if (mapped && (granule === 0 || span < granule)) granule = span
      at += span - (at % span)
    }
    return { granule: granule === 0 ? PAGE : granule, tables }
  }

  /** Where an address leads now; null where nothing is mapped. */
  lookup(iova: number): number | null {
    let table = this.root
    for (let depth = 0; depth < LEVELS; depth++) {
      const at = this.#at(table, iova, depth)
      const lo = this.#bus.read32(at)
      if ((lo & VALID) === 0) return null
      const address = Address.get(lo, this.#bus.read32(at + 4))
      if (isLeaf(lo, depth)) return address + (iova % spanOf(depth))
      if (!this.#tables.has(address)) return null
      table = address
    }
    return null
  }

  #at(table: number, iova: number, depth: number): number {
    return table + 8 * (Math.floor(iova / spanOf(depth)) % ENTRIES)
  }

  /**
   * Address of the descriptor for `iova` at `depth`, or below it where a table stands already: even empty, the hardware
   * may have it in its caches. Tables on the way are made. Null where a block is in the way, or memory ran out. Leaves
   * the depth in #depth.
   */
  #descriptorFor(iova: number, depth: number): number | null {
    let table = this.root
    for (let at = 0; ; at++) {
      const entry = this.#at(table, iova, at)
      this.#depth = at
      const lo = at === LEVELS - 1 ? 0 : this.#bus.read32(entry)
      const valid = (lo & VALID) !== 0
      if (at >= depth && (!valid || isLeaf(lo, at))) return entry
      if (!valid) {
        const made = this.#pages.allocate(1)
        if (made === null) return null
        this.#tables.add(made)
        this.#bus.write32(entry + 4, highWord(made))
        this.#bus.write32(entry, Type.setLo(lowWord(made), DESCRIPTOR_TYPE.table))
        table = made
      } else if (isLeaf(lo, at)) return null
      else {
        table = Address.get(lo, this.#bus.read32(entry + 4))
        if (!this.#tables.has(table)) return null
      }
    }
  }

  /** Clears what maps `iova`, at `depth` or in a larger block. Answers whether anything did; leaves where in #depth. */
  #remove(iova: number, depth: number, tables: number[]): boolean {
    let table = this.root
    for (let at = 0; ; at++) {
      const entry = this.#at(table, iova, at)
      const lo = this.#bus.read32(entry)
      this.#depth = at
      if ((lo & VALID) === 0) return false
      const child = Address.get(lo, this.#bus.read32(entry + 4))
      const leaf = isLeaf(lo, at) || !this.#tables.has(child)
      if (leaf || at === depth) {
        this.#bus.write32(entry, 0)
        this.#bus.write32(entry + 4, 0)
        if (!leaf) this.#unlink(child, at + 1, tables)
        return true
      }
      table = child
    }
  }

  /** A table and all below it. */
  #unlink(table: number, depth: number, tables: number[]): void {
    this.#tables.delete(table)
    tables.push(table)
    for (let index = 0; depth < LEVELS - 1 && index < ENTRIES; index++) {
      const entry = table + 8 * index
      const lo = this.#bus.read32(entry)
      if ((lo & VALID) === 0 || isLeaf(lo, depth)) continue
      const child = Address.get(lo, this.#bus.read32(entry + 4))
      if (this.#tables.has(child)) this.#unlink(child, depth + 1, tables)
    }
  }
}

const isLeaf = (lo: number, depth: number): boolean => depth === LEVELS - 1 || Type.get(lo) === DESCRIPTOR_TYPE.block

function largestDepth(iova: number, physical: number, length: number): number {
  for (let depth = FIRST_LEAF_DEPTH; depth < LEVELS - 1; depth++) {
    const span = spanOf(depth)
    if (iova % span === 0 && physical % span === 0 && length >= span) return depth
  }
  return LEVELS - 1
}

/** Upper and lower word of a descriptor's attributes. */
function attributesOf(access: 1 | 2 | 3, use: PageUse): readonly [hi: number, lo: number] {
  let lo = nG.setLo(AF.setLo(0, 1), 1)
  lo = SH.setLo(lo, INNER_SHAREABLE)
  lo = AP.setLo(lo, (use === 'privileged' ? 0 : UNPRIVILEGED) | ((access & 2) === 0 ? READ_ONLY : 0))
  lo = AttrIndx.setLo(lo, use === 'registers' ? ATTRIBUTES_DEVICE : ATTRIBUTES_CACHED)
  const noExecute = use === 'registers' ? UXN.hiMask | PXN.hiMask : 0
  return [noExecute, lo]
}
