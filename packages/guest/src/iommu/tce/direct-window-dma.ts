import { DirectDma, type DirectDmaOptions, type Direction, type DmaMapping, type DmaOps } from '@dmascope/dma'

/**
 * DMA through a window that maps all memory: the bus address is the CPU's plus the window's. Nothing is mapped or
 * unmapped any more.
 */
export class DirectWindowDma implements DmaOps {
  readonly #direct: DirectDma
  readonly #hi: number
  readonly #lo: number
  /** What the underlying mappings are, by those that were given out. */
  readonly #inner = new Map<DmaMapping, DmaMapping>()

  readonly #kind: 'iommu' | 'direct'

  /**
   * @param base - the window's bus address
   * @param kind - what translates there: tables that map all memory, or nothing
   */
  constructor(
    options: DirectDmaOptions,
    base: { readonly hi: number; readonly lo: number },
    kind: 'iommu' | 'direct' = 'iommu',
  ) {
    this.#kind = kind
    this.#direct = new DirectDma(options)
    this.#hi = base.hi
    this.#lo = base.lo
  }

  /** What is bounced goes through the window as well. */
  get kind(): 'iommu' | 'direct' | 'swiotlb' {
    return this.#direct.kind === 'swiotlb' ? 'swiotlb' : this.#kind
  }

  allocCoherent(length: number, purpose: string): DmaMapping | null {
    return this.#give(this.#direct.allocCoherent(length, purpose))
  }

  freeCoherent(mapping: DmaMapping): void {
    this.#direct.freeCoherent(this.#take(mapping))
  }

  map(cpu: number, length: number, direction: Direction, purpose: string): DmaMapping | null {
    return this.#give(this.#direct.map(cpu, length, direction, purpose))
  }

  unmap(mapping: DmaMapping): void {
    this.#direct.unmap(this.#take(mapping))
  }

  mapScatter(
    segments: readonly { readonly cpu: number; readonly length: number }[],
    direction: Direction,
    purpose: string,
  ): readonly DmaMapping[] | null {
    return this.#direct.mapScatter(segments, direction, purpose)?.map((inner) => this.#give(inner)!) ?? null
  }

  unmapScatter(mappings: readonly DmaMapping[]): void {
    this.#direct.unmapScatter(mappings.map((mapping) => this.#take(mapping)))
  }

  syncForCpu(mapping: DmaMapping, offset?: number, length?: number): void {
    this.#direct.syncForCpu(this.#innerOf(mapping), offset, length)
  }

  syncForDevice(mapping: DmaMapping, offset?: number, length?: number): void {
    this.#direct.syncForDevice(this.#innerOf(mapping), offset, length)
  }

  #give(inner: DmaMapping | null): DmaMapping | null {
    if (inner === null) return null
    const low = inner.lo + this.#lo
    const mapping = {
      ...inner,
      hi: (inner.hi + this.#hi + (low >= 0x1_0000_0000 ? 1 : 0)) >>> 0,
      lo: low >>> 0,
    }
    this.#inner.set(mapping, inner)
    return mapping
  }

  #take(mapping: DmaMapping): DmaMapping {
    const inner = this.#innerOf(mapping)
    this.#inner.delete(mapping)
    return inner
  }

  #innerOf(mapping: DmaMapping): DmaMapping {
    const inner = this.#inner.get(mapping)
    if (inner === undefined) throw new RangeError(`0x${mapping.cpu.toString(16)} is not mapped`)
    return inner
  }
}
