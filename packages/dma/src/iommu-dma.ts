import { highWord, lowWord } from '@dmascope/layout'
import type { Access, DmaWitness } from '@dmascope/memory/contracts'
import { type DmaAttributes, NO_CPU_ADDRESS, PLAIN } from './dma-attributes.ts'
import type { Direction, DmaMapping, DmaOps, MappingUse, PageAllocator } from './dma-ops.ts'
import { GRANULE } from './iova-allocator.ts'
import type { IovaSpace } from './iova-space.ts'
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
import { collectPages, type PageRun } from './page-runs.ts'
import { outOfMemory, poolFull } from './shortage.ts'
import type { BouncedBuffer, Swiotlb } from './swiotlb.ts'

export interface IommuDmaOptions {
  readonly owner: string
  readonly maskBits: number
  readonly space: IovaSpace
  readonly pages: PageAllocator
  readonly witness?: DmaWitness
  /** Tries addresses below 4 GiB first whatever the mask, as Linux does for PCI devices until those run out. */
  readonly prefer32Bit?: boolean
  /**
   * For a device that is not trusted: what is not whole pages is bounced, so that it never sees what else lies in a page.
   * Linux does so for what is behind a port that faces outwards, in domains that invalidate at each unmap. Null where there
   * is no pool: then what is not whole pages cannot be mapped.
   */
  readonly bounce?: Swiotlb | null
  /** Told of what the kernel's log would say: that memory, or bounce buffers, ran out. */
  warn?(line: string): void
  /** Bytes that a merged segment may have; Linux's default for PCI is 64 KiB. */
  readonly maxSegment?: number
}

const HIGHEST_32BIT = 0xffff_ffff

/** DMA through an IOMMU domain: every mapping gets a bus address of its own, with the offset within its page kept. */
export class IommuDma implements DmaOps {
  readonly kind = 'iommu'
  readonly maskBits: number
  readonly #highest: number
  readonly #space: IovaSpace
  readonly #pages: PageAllocator
  readonly #live: LiveMappings
  readonly #maxSegment: number
  readonly #owner: string
  readonly #warning: ((line: string) => void) | undefined
  /** Runs of pages of coherent memory that is in several pieces. */
  readonly #scattered = new Map<DmaMapping, readonly PageRun[]>()
  /** Undefined for a device that is trusted. */
  readonly #bounce: Swiotlb | null | undefined
  readonly #bounced = new Map<DmaMapping, BouncedBuffer>()
  /** Scatter lists that were mapped piece by piece, by their first pieces. */
  readonly #pieces = new Map<DmaMapping, readonly DmaMapping[]>()
  #try32First: boolean

  constructor(options: IommuDmaOptions) {
    this.maskBits = checkMaskBits(options.maskBits)
    this.#highest = highestAddress(options.maskBits)
    this.#space = options.space
    this.#pages = options.pages
    this.#live = new LiveMappings(options.owner, options.witness)
    this.#maxSegment = options.maxSegment ?? 0x1_0000
    this.#bounce = options.bounce
    this.#owner = options.owner
    this.#warning = options.warn
    this.#try32First = options.prefer32Bit ?? true
  }

  /** Memory that the kernel does not look at need not be in one piece: the IOMMU joins what there is. */
  allocCoherent(length: number, purpose: string, attributes: DmaAttributes = PLAIN): DmaMapping | null {
    checkSegment(0, length)
    const count = Math.ceil(length / GRANULE)
    if (attributes.noKernelMapping === true && attributes.forceContiguous !== true) {
      return this.#allocScattered(length, count, purpose, attributes)
    }
    const cpu = this.#pages.allocate(count)
    if (cpu === null) return this.#warn(attributes, outOfMemory(this.#owner, count))
    const iova = this.#place(cpu, count * GRANULE, 3, useOf(attributes))
    if (iova === null) {
      this.#pages.free(cpu, count)
      return null
    }
    const seen = attributes.noKernelMapping === true ? NO_CPU_ADDRESS : cpu
    const mapping = { cpu: seen, hi: highWord(iova), lo: lowWord(iova), length }
    if (seen !== cpu) this.#scattered.set(mapping, [{ start: cpu, count }])
    this.#live.add('coherent', [mapping], [{ cpu, length }], 3, purpose, { start: iova, length: count * GRANULE })
    return mapping
  }

  /** In a lazy domain the device can reach the freed memory until the flush, as under Linux. */
  freeCoherent(mapping: DmaMapping): void {
    const { busStart, busLength } = this.#live.remove('coherent', mapping)
    this.#space.unmap(busStart, busLength)
    const runs = this.#scattered.get(mapping) ?? [{ start: mapping.cpu, count: Math.ceil(mapping.length / GRANULE) }]
    this.#scattered.delete(mapping)
    for (const { start, count } of runs) this.#pages.free(start, count)
  }

  #allocScattered(length: number, count: number, purpose: string, attributes: DmaAttributes): DmaMapping | null {
    const runs = collectPages(this.#pages, count, attributes.allocSinglePages === true)
    if (runs === null) return this.#warn(attributes, outOfMemory(this.#owner, 1))
    const iova = this.#placeRuns(runs, count * GRANULE, useOf(attributes))
    if (iova === null) {
      for (const { start, count: pages } of runs) this.#pages.free(start, pages)
      return null
    }
    const mapping = { cpu: NO_CPU_ADDRESS, hi: highWord(iova), lo: lowWord(iova), length }
    this.#scattered.set(mapping, runs)
    const segments = runs.map(({ start, count: pages }) => ({ cpu: start, length: pages * GRANULE }))
    this.#live.add('coherent', [mapping], segments, 3, purpose, { start: iova, length: count * GRANULE })
    return mapping
  }

  /** One run of bus addresses for all of them; null, with nothing mapped, where that cannot be. */
  #placeRuns(runs: readonly PageRun[], length: number, use: MappingUse): number | null {
    const first = this.#allocate(length)
    if (first === null) return null
    let at = first
    for (const { start, count } of runs) {
      if (!this.#space.map(at, start, count * GRANULE, 3, use)) {
        if (at > first) this.#space.domain.unmap(first, at - first)
        this.#space.release(first, length)
        return null
      }
      at += count * GRANULE
    }
    return first
  }

  map(
    cpu: number,
    length: number,
    direction: Direction,
    purpose: string,
    attributes: DmaAttributes = PLAIN,
  ): DmaMapping | null {
    checkSegment(cpu, length)
    const offset = cpu % GRANULE
    const busLength = pagesSpanned(offset, length, GRANULE) * GRANULE
    const access = accessOf(direction)
    const bounced = this.#mustBounce(cpu, length) ? this.#bounceOf(cpu, length, direction) : null
    if (bounced === null && this.#mustBounce(cpu, length)) return this.#warn(attributes, this.#notBounced(length))
    const iova = this.#place((bounced?.cpu ?? cpu) - offset, busLength, access, useOf(attributes))
    if (iova === null) {
      if (bounced !== null) this.#bounce?.unmap(bounced, false)
      return null
    }
    const mapping = { cpu, hi: highWord(iova), lo: lowWord(iova + offset), length }
    if (bounced !== null) this.#bounced.set(mapping, bounced)
    this.#live.add('streaming', [mapping], [bounced ?? mapping], access, purpose, { start: iova, length: busLength })
    return mapping
  }

  /** The device is kept from the memory before what it wrote is copied back. */
  unmap(mapping: DmaMapping, { skipCpuSync = false }: DmaAttributes = PLAIN): void {
    const { busStart, busLength } = this.#live.remove('streaming', mapping)
    this.#space.unmap(busStart, busLength)
    const bounced = this.#bounced.get(mapping)
    if (bounced === undefined) return
    this.#bounced.delete(mapping)
    this.#bounce?.unmap(bounced, !skipCpuSync)
  }

  /**
   * One run of bus addresses for the whole list. A segment that starts on a page boundary joins the one before it
   * where that ended on one, up to the largest segment; `cpu` of a merged mapping is its first segment's.
   */
  mapScatter(
    segments: readonly Segment[],
    direction: Direction,
    purpose: string,
    attributes: DmaAttributes = PLAIN,
  ): readonly DmaMapping[] | null {
    if (segments.length === 0) throw new RangeError('a scatter list has at least one segment')
    for (const { cpu, length } of segments) checkSegment(cpu, length)
    if (segments.some(({ cpu, length }) => this.#mustBounce(cpu, length))) {
      return this.#mapPieces(segments, direction, purpose, attributes)
    }
    let busLength = 0
    for (const { cpu, length } of segments) {
      busLength += pagesSpanned(cpu % GRANULE, length, GRANULE) * GRANULE
    }
    const access = accessOf(direction)
    const start = this.#allocate(busLength)
    if (start === null) return null
    let at = start
    for (const { cpu, length } of segments) {
      const offset = cpu % GRANULE
      const span = pagesSpanned(offset, length, GRANULE) * GRANULE
      if (!this.#space.map(at, cpu - offset, span, access, useOf(attributes))) {
        if (at > start) this.#space.domain.unmap(start, at - start)
        this.#space.release(start, busLength)
        return null
      }
      at += span
    }
    const mappings = mergeSegments(segments, start, GRANULE, this.#maxSegment)
    this.#live.add('scatter', mappings, segments, access, purpose, { start, length: busLength })
    return mappings
  }

  /** As Linux's `iommu_dma_map_sg_swiotlb`: a list of which anything is bounced is mapped segment by segment. */
  #mapPieces(
    segments: readonly Segment[],
    direction: Direction,
    purpose: string,
    attributes: DmaAttributes,
  ): readonly DmaMapping[] | null {
    const pieces: DmaMapping[] = []
    for (const { cpu, length } of segments) {
      const piece = this.map(cpu, length, direction, purpose, attributes)
      if (piece === null) {
        for (const one of pieces) this.unmap(one, { skipCpuSync: true })
        return null
      }
      pieces.push(piece)
    }
    this.#pieces.set(pieces[0]!, pieces)
    return pieces
  }

  unmapScatter(mappings: readonly DmaMapping[], attributes: DmaAttributes = PLAIN): void {
    const [first] = mappings
    const pieces = first && this.#pieces.get(first)
    if (first !== undefined && pieces !== undefined) {
      this.#pieces.delete(first)
      for (const piece of pieces) this.unmap(piece, attributes)
      return
    }
    const { busStart, busLength } = this.#live.remove('scatter', mappings[0])
    this.#space.unmap(busStart, busLength)
  }

  /** What is not bounced is the device's and the CPU's at once: platforms here keep it coherent behind an IOMMU. */
  syncForCpu(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    checkPart(mapping, offset, length)
    const bounced = this.#bounced.get(mapping)
    if (bounced !== undefined) this.#bounce?.syncForCpu(bounced, offset, length)
  }

  syncForDevice(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    checkPart(mapping, offset, length)
    const bounced = this.#bounced.get(mapping)
    if (bounced !== undefined) this.#bounce?.syncForDevice(bounced, offset, length)
  }

  leaks(): readonly DmaLeak[] {
    return this.#live.leaks()
  }

  #mustBounce(cpu: number, length: number): boolean {
    return this.#bounce !== undefined && (cpu % GRANULE !== 0 || length % GRANULE !== 0)
  }

  #bounceOf(cpu: number, length: number, direction: Direction): BouncedBuffer | null {
    const bounced = this.#bounce?.map(cpu, length, direction) ?? null
    if (bounced !== null) this.#bounce?.clearAround(bounced)
    return bounced
  }

  #notBounced(length: number): string {
    return this.#bounce
      ? poolFull(this.#owner, this.#bounce, length)
      : `${this.#owner}: DMA bounce buffers are inactive, unable to map unaligned transaction.`
  }

  #warn({ noWarn = false }: DmaAttributes, line: string): null {
    if (!noWarn) this.#warning?.(line)
    return null
  }

  #place(physical: number, length: number, access: Access, use: MappingUse): number | null {
    const iova = this.#allocate(length)
    if (iova === null) return null
    if (this.#space.map(iova, physical, length, access, use)) return iova
    this.#space.release(iova, length)
    return null
  }

  #allocate(length: number): number | null {
    if (this.#try32First && this.#highest > HIGHEST_32BIT) {
      const iova = this.#space.allocate(length, HIGHEST_32BIT)
      if (iova !== null) return iova
      this.#try32First = false
    }
    return this.#space.allocate(length, this.#highest)
  }
}

const useOf = ({ privileged = false }: DmaAttributes): MappingUse => (privileged ? 'privileged' : 'memory')
