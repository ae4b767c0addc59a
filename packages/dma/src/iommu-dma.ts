import { highWord, lowWord } from '@dmascope/layout'
import type { Access, DmaWitness } from '@dmascope/memory/contracts'
import type { Direction, DmaMapping, DmaOps, PageAllocator } from './dma-ops.ts'
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
    this.#try32First = options.prefer32Bit ?? true
  }

  allocCoherent(length: number, purpose: string): DmaMapping | null {
    checkSegment(0, length)
    const count = Math.ceil(length / GRANULE)
    const cpu = this.#pages.allocate(count)
    if (cpu === null) return null
    const iova = this.#place(cpu, count * GRANULE, 3)
    if (iova === null) {
      this.#pages.free(cpu, count)
      return null
    }
    const mapping = { cpu, hi: highWord(iova), lo: lowWord(iova), length }
    this.#live.add('coherent', [mapping], [mapping], 3, purpose, { start: iova, length: count * GRANULE })
    return mapping
  }

  /** In a lazy domain the device can reach the freed memory until the flush, as under Linux. */
  freeCoherent(mapping: DmaMapping): void {
    const { busStart, busLength } = this.#live.remove('coherent', mapping)
    this.#space.unmap(busStart, busLength)
    this.#pages.free(mapping.cpu, Math.ceil(mapping.length / GRANULE))
  }

  map(cpu: number, length: number, direction: Direction, purpose: string): DmaMapping | null {
    checkSegment(cpu, length)
    const offset = cpu % GRANULE
    const busLength = pagesSpanned(offset, length) * GRANULE
    const access = accessOf(direction)
    const bounced = this.#mustBounce(cpu, length) ? this.#bounceOf(cpu, length, direction) : null
    if (bounced === null && this.#mustBounce(cpu, length)) return null
    const iova = this.#place((bounced?.cpu ?? cpu) - offset, busLength, access)
    if (iova === null) {
      if (bounced !== null) this.#bounce?.unmap(bounced)
      return null
    }
    const mapping = { cpu, hi: highWord(iova), lo: lowWord(iova + offset), length }
    if (bounced !== null) this.#bounced.set(mapping, bounced)
    this.#live.add('streaming', [mapping], [bounced ?? mapping], access, purpose, { start: iova, length: busLength })
    return mapping
  }

  /** The device is kept from the memory before what it wrote is copied back. */
  unmap(mapping: DmaMapping): void {
    const { busStart, busLength } = this.#live.remove('streaming', mapping)
    this.#space.unmap(busStart, busLength)
    const bounced = this.#bounced.get(mapping)
    if (bounced === undefined) return
    this.#bounced.delete(mapping)
    this.#bounce?.unmap(bounced)
  }

  /**
   * One run of bus addresses for the whole list. A segment that starts on a page boundary joins the one before it
   * where that ended on one, up to the largest segment; `cpu` of a merged mapping is its first segment's.
   */
  mapScatter(segments: readonly Segment[], direction: Direction, purpose: string): readonly DmaMapping[] | null {
    if (segments.length === 0) throw new RangeError('a scatter list has at least one segment')
    for (const { cpu, length } of segments) checkSegment(cpu, length)
    if (segments.some(({ cpu, length }) => this.#mustBounce(cpu, length))) {
      return this.#mapPieces(segments, direction, purpose)
    }
    let busLength = 0
    for (const { cpu, length } of segments) {
      busLength += pagesSpanned(cpu % GRANULE, length) * GRANULE
    }
    const access = accessOf(direction)
    const start = this.#allocate(busLength)
    if (start === null) return null
    let at = start
    for (const { cpu, length } of segments) {
      const offset = cpu % GRANULE
      const span = pagesSpanned(offset, length) * GRANULE
      if (!this.#space.map(at, cpu - offset, span, access)) {
        if (at > start) this.#space.domain.unmap(start, at - start)
        this.#space.release(start, busLength)
        return null
      }
      at += span
    }
    const mappings = this.#merge(segments, start)
    this.#live.add('scatter', mappings, segments, access, purpose, { start, length: busLength })
    return mappings
  }

  /** As Linux's `iommu_dma_map_sg_swiotlb`: a list of which anything is bounced is mapped segment by segment. */
  #mapPieces(segments: readonly Segment[], direction: Direction, purpose: string): readonly DmaMapping[] | null {
    const pieces: DmaMapping[] = []
    for (const { cpu, length } of segments) {
      const piece = this.map(cpu, length, direction, purpose)
      if (piece === null) {
        for (const one of pieces) this.unmap(one)
        return null
      }
      pieces.push(piece)
    }
    this.#pieces.set(pieces[0]!, pieces)
    return pieces
  }

  unmapScatter(mappings: readonly DmaMapping[]): void {
    const [first] = mappings
    const pieces = first && this.#pieces.get(first)
    if (first !== undefined && pieces !== undefined) {
      this.#pieces.delete(first)
      for (const piece of pieces) this.unmap(piece)
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

  #merge(segments: readonly Segment[], start: number): DmaMapping[] {
    const mappings: DmaMapping[] = []
    let at = start
    let open = false
    for (const { cpu, length } of segments) {
      const offset = cpu % GRANULE
      const last = mappings[mappings.length - 1]
      if (open && last && offset === 0 && last.length + length <= this.#maxSegment) {
        mappings[mappings.length - 1] = { ...last, length: last.length + length }
      } else {
        mappings.push({ cpu, hi: highWord(at), lo: lowWord(at + offset), length })
      }
      at += pagesSpanned(offset, length) * GRANULE
      open = (offset + length) % GRANULE === 0
    }
    return mappings
  }

  #mustBounce(cpu: number, length: number): boolean {
    return this.#bounce !== undefined && (cpu % GRANULE !== 0 || length % GRANULE !== 0)
  }

  #bounceOf(cpu: number, length: number, direction: Direction): BouncedBuffer | null {
    const bounced = this.#bounce?.map(cpu, length, direction) ?? null
    if (bounced !== null) this.#bounce?.clearAround(bounced)
    return bounced
  }

  #place(physical: number, length: number, access: Access): number | null {
    const iova = this.#allocate(length)
    if (iova === null) return null
    if (this.#space.map(iova, physical, length, access)) return iova
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

const pagesSpanned = (offset: number, length: number): number => Math.ceil((offset + length) / GRANULE)
