import type { Access, DmaWitness } from '@dmascope/memory/contracts'
import type { Direction, DmaMapping, DmaOps, PageAllocator } from './dma-ops.ts'
import {
  accessOf,
  checkMaskBits,
  checkPart,
  checkSegment,
  type DmaLeak,
  highestAddress,
  LiveMappings,
  type Segment,
} from './live-mappings.ts'
import { mergeSegments, pagesSpanned } from './merge-segments.ts'
import type { TableArena } from './table-arena.ts'

export interface TableDmaOptions {
  readonly owner: string
  readonly maskBits: number
  readonly arena: TableArena
  readonly pages: PageAllocator
  readonly witness?: DmaWitness
}

const CPU_PAGE = 4096

/**
 * DMA through a window that one table translates, in pages of the table's own size. What is unmapped can be reached until
 * the arena comes round, where the hardware keeps entries.
 */
export class TableDma implements DmaOps {
  readonly kind = 'iommu'
  readonly maskBits: number
  readonly #highest: number
  readonly #arena: TableArena
  readonly #pages: PageAllocator
  readonly #live: LiveMappings
  readonly #page: number

  constructor({ owner, maskBits, arena, pages, witness }: TableDmaOptions) {
    this.maskBits = checkMaskBits(maskBits)
    this.#highest = highestAddress(maskBits)
    this.#arena = arena
    this.#pages = pages
    this.#live = new LiveMappings(owner, witness)
    this.#page = 2 ** arena.table.pageShift
  }

  allocCoherent(length: number, purpose: string): DmaMapping | null {
    checkSegment(0, length)
    const bytes = Math.ceil(length / this.#page) * this.#page
    const cpu = this.#allocatePages(bytes)
    if (cpu === null) return null
    const mapping = this.#enter([{ cpu, length }], 3)?.[0]
    if (mapping === undefined) {
      this.#pages.free(cpu, bytes / CPU_PAGE)
      return null
    }
    this.#live.add('coherent', [mapping], [mapping], 3, purpose, this.#busOf([mapping]))
    return mapping
  }

  freeCoherent(mapping: DmaMapping): void {
    const { busStart, busLength } = this.#live.remove('coherent', mapping)
    this.#leave(busStart, busLength)
    this.#pages.free(mapping.cpu, busLength / CPU_PAGE)
  }

  map(cpu: number, length: number, direction: Direction, purpose: string): DmaMapping | null {
    return this.#mapAll('streaming', [{ cpu, length }], direction, purpose)?.[0] ?? null
  }

  unmap(mapping: DmaMapping): void {
    const { busStart, busLength } = this.#live.remove('streaming', mapping)
    this.#leave(busStart, busLength)
  }

  /** One run of entries for the whole list; segments that end and begin on pages join. */
  mapScatter(segments: readonly Segment[], direction: Direction, purpose: string): readonly DmaMapping[] | null {
    if (segments.length === 0) throw new RangeError('a scatter list has at least one segment')
    return this.#mapAll('scatter', segments, direction, purpose)
  }

  unmapScatter(mappings: readonly DmaMapping[]): void {
    const { busStart, busLength } = this.#live.remove('scatter', mappings[0])
    this.#leave(busStart, busLength)
  }

  /** Memory is the device's and the processor's at once: there is no streaming cache between them. */
  syncForCpu(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    checkPart(mapping, offset, length)
  }

  syncForDevice(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    checkPart(mapping, offset, length)
  }

  leaks(): readonly DmaLeak[] {
    return this.#live.leaks()
  }

  #mapAll(
    kind: 'streaming' | 'scatter',
    segments: readonly Segment[],
    direction: Direction,
    purpose: string,
  ): readonly DmaMapping[] | null {
    for (const { cpu, length } of segments) checkSegment(cpu, length)
    const access = accessOf(direction)
    const mappings = this.#enter(segments, access)
    if (mappings === null) return null
    this.#live.add(kind, mappings, segments, access, purpose, this.#busOf(segments, mappings[0]))
    return mappings
  }

  #spanned({ cpu, length }: Segment): number {
    return pagesSpanned(cpu % this.#page, length, this.#page)
  }

  /** Whole pages from the first mapping's on. */
  #busOf(segments: readonly Segment[], first = segments[0] as DmaMapping): { start: number; length: number } {
    const count = segments.reduce((sum, one) => sum + this.#spanned(one), 0)
    const bus = first.hi * 0x1_0000_0000 + first.lo
    return { start: bus - (bus % this.#page), length: count * this.#page }
  }

  #enter(segments: readonly Segment[], access: Access): readonly DmaMapping[] | null {
    const { table } = this.#arena
    const count = segments.reduce((sum, one) => sum + this.#spanned(one), 0)
    const first = this.#arena.allocate(count)
    if (first === null) return null
    const end = table.base + (first + count) * this.#page
    if (end - 1 > this.#highest) {
      this.#arena.release(first, count)
      return null
    }
    let entry = first
    for (const segment of segments) {
      const start = segment.cpu - (segment.cpu % this.#page)
      const pages = this.#spanned(segment)
      for (let page = 0; page < pages; page++) table.set(entry + page, start + page * this.#page, access)
      entry += pages
    }
    return mergeSegments(segments, table.base + first * this.#page, this.#page)
  }

  #leave(start: number, length: number): void {
    const { table } = this.#arena
    const first = (start - table.base) / this.#page
    const count = length / this.#page
    for (let entry = first; entry < first + count; entry++) table.clear(entry)
    this.#arena.release(first, count)
  }

  /** Zeroed pages that begin where one of the table's does. */
  #allocatePages(bytes: number): number | null {
    const count = bytes / CPU_PAGE
    const spare = this.#page / CPU_PAGE - 1
    const around = this.#pages.allocate(count + spare)
    if (around === null) return null
    const cpu = Math.ceil(around / this.#page) * this.#page
    const before = (cpu - around) / CPU_PAGE
    if (before > 0) this.#pages.free(around, before)
    if (spare > before) this.#pages.free(cpu + bytes, spare - before)
    return cpu
  }
}
