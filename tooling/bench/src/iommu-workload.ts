import { GuestRam } from '@dmascope/memory'

/** The IOMMU workload: four levels, 48 bits, tables in 8 MiB of memory, pages from 0x7f0000000000 on. */
export const ROOT = 0x1000
const CONTEXT = 0x2000
export const TOP_TABLE = 0x3000
export const REQUESTER = 0x0018
const MEMORY_BYTES = 8 << 20
const FIRST_HI = 0x7f00
const STREAM = 32768
const HOT_PAGES = 32
const SEQUENTIAL_STEP = 256

/** Control fields of entries, and what leads to the top table, as one kind of unit has them. */
export interface TableFormat {
  /** Lower and upper word of an entry at `level` that leads to a table or, as a leaf, to a page; both ways granted. */
  flags(level: number, leaf: boolean): readonly [lo: number, hi: number]
  /** Writes what makes the requester's addresses go through TOP_TABLE. */
  attach(ram: GuestRam): void
}

export const VTD_FORMAT: TableFormat = {
  flags: (level, leaf) => [leaf && level > 1 ? 0x83 : 3, 0],
  attach(ram) {
    const context = CONTEXT + (REQUESTER & 0xff) * 16
    ram.write32(ROOT, CONTEXT | 1)
    ram.write32(context, TOP_TABLE | 1)
    ram.write32(context + 8, 0x2 | (7 << 8))
  },
}

/** The AMD IOMMU's device table stands at ROOT. */
export const AMDVI_FORMAT: TableFormat = {
  flags: (level, leaf) => [(leaf ? 0 : (level - 1) << 9) | 1, 0x6000_0000],
  attach(ram) {
    const entry = ROOT + REQUESTER * 32
    ram.write32(entry, TOP_TABLE | (4 << 9) | 3)
    ram.write32(entry + 4, 0x6000_0000)
    ram.write32(entry + 8, 7)
  },
}

/** The SMMUv3's linear stream table stands at ROOT, one context descriptor (ASID 7, 48 bits) at CONTEXT. */
export const SMMUV3_FORMAT: TableFormat = {
  flags: (level, leaf) => [(leaf ? 0xc40 : 0) | (leaf && level > 1 ? 1 : 3), 0],
  attach(ram) {
    const entry = ROOT + REQUESTER * 64
    ram.write32(entry, CONTEXT | 0xb)
    ram.write32(CONTEXT, 0xc000_0010)
    ram.write32(CONTEXT + 4, 0x0007_6205)
    ram.write32(CONTEXT + 8, TOP_TABLE)
  },
}

export type PageSize = '4k' | '2m'
export type Stream = 'rand' | 'seq' | 'hot'

/** What every translation must come to, so that no wrong answer is ever fast. */
export interface Workload {
  readonly ram: GuestRam
  readonly hi: Int32Array
  readonly lo: Int32Array
  /** The sum of all output addresses' low words, in 32 bits. */
  readonly sum: number
}

const PAGES: Readonly<Record<PageSize, { count: number; log2Size: number }>> = {
  '4k': { count: 262144, log2Size: 12 },
  '2m': { count: 32768, log2Size: 21 },
}

/** Xorshift: the same stream each time. */
function randomSource(): (below: number) => number {
  let state = 0x2545_f491
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Pages are mapped in a scattered order, as a guest's memory is. */
const frameOf = (page: number, count: number): number => (page * 40503 + 977) % count

/** All pages that are mapped, by ascending address: their number, `log2Size`, first address, and output of each. */
export function pagesOf(size: PageSize): {
  readonly count: number
  readonly log2Size: number
  readonly start: number
  output(page: number): number
} {
  const { count, log2Size } = PAGES[size]
  const output = (page: number): number => 2 ** 32 + frameOf(page, count) * 2 ** log2Size
  return { count, log2Size, start: FIRST_HI * 2 ** 32, output }
}

/** Tables for all pages of one size, and the addresses to translate. */
export function makeWorkload(size: PageSize, stream: Stream, format = VTD_FORMAT): Workload {
  const ram = new GuestRam([{ base: 0, size: MEMORY_BYTES }])
  const { count, log2Size, start, output: outputOf } = pagesOf(size)
  let free = 0x4000
  const entry = (table: number, index: number, address: number, level: number, leaf: boolean): void => {
    const [lo, hi] = format.flags(level, leaf)
    ram.write32(table + index * 8, ((address % 2 ** 32) | lo) >>> 0)
    ram.write32(table + index * 8 + 4, (Math.floor(address / 2 ** 32) | hi) >>> 0)
  }
  const below = (table: number, index: number, level: number): number => {
    const low = ram.read32(table + index * 8)
    if ((low & 3) !== 0) return (low & -4096) >>> 0
    entry(table, index, free, level, false)
    free += 4096
    return free - 4096
  }
  for (let page = 0; page < count; page++) {
    const address = start + page * 2 ** log2Size
    const output = outputOf(page)
    const third = below(TOP_TABLE, Math.floor(address / 2 ** 39) % 512, 4)
    const second = below(third, Math.floor(address / 2 ** 30) % 512, 3)
    const inSecond = Math.floor(address / 2 ** 21) % 512
    if (size === '2m') entry(second, inSecond, output, 2, true)
    else entry(below(second, inSecond, 2), Math.floor(address / 4096) % 512, output, 1, true)
  }
  format.attach(ram)
  const random = randomSource()
  const hot = Array.from({ length: HOT_PAGES }, () => random(count))
  const hi = new Int32Array(STREAM)
  const lo = new Int32Array(STREAM)
  let sum = 0
  for (let index = 0; index < STREAM; index++) {
    const offset = (random(2 ** log2Size / 4) * 4) % 2 ** log2Size
    const at =
      stream === 'seq'
        ? index * SEQUENTIAL_STEP
        : (stream === 'hot' ? hot[random(HOT_PAGES)]! : random(count)) * 2 ** log2Size + offset
    const page = Math.floor(at / 2 ** log2Size)
    const address = start + at
    hi[index] = Math.floor(address / 2 ** 32)
    lo[index] = (address % 2 ** 32) | 0
    sum = (sum + ((frameOf(page, count) * 2 ** log2Size + (at % 2 ** log2Size)) % 2 ** 32)) | 0
  }
  return { ram, hi, lo, sum }
}
