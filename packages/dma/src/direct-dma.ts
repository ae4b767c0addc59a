import { highWord, lowWord } from '@dmascope/layout'
import type { DmaWitness } from '@dmascope/memory/contracts'
import type { Direction, DmaMapping, DmaOps, PageAllocator } from './dma-ops.ts'
import {
  accessOf,
  checkMaskBits,
  checkSegment,
  type DmaLeak,
  highestAddress,
  LiveMappings,
  type Segment,
} from './live-mappings.ts'

export interface DirectDmaOptions {
  /** The device, as the witness is to know it: `0000:00:03.0`. */
  readonly owner: string
  /** Address bits that the device can emit. */
  readonly maskBits: number
  readonly pages: PageAllocator
  readonly witness?: DmaWitness
}

/**
 * DMA without translation: the bus address is the CPU's. Memory beyond the device's mask cannot be mapped (a kernel
 * would bounce it).
 */
export class DirectDma implements DmaOps {
  readonly kind = 'direct'
  readonly maskBits: number
  readonly #highest: number
  readonly #pages: PageAllocator
  readonly #live: LiveMappings

  constructor(options: DirectDmaOptions) {
    this.maskBits = checkMaskBits(options.maskBits)
    this.#highest = highestAddress(options.maskBits)
    this.#pages = options.pages
    this.#live = new LiveMappings(options.owner, options.witness)
  }

  allocCoherent(length: number, purpose: string): DmaMapping | null {
    checkSegment(0, length)
    const cpu = this.#pages.allocate(Math.ceil(length / 4096), this.#highest + 1)
    if (cpu === null) return null
    const mapping = identityMapping(cpu, length)
    this.#live.add('coherent', [mapping], [mapping], 3, purpose, { start: cpu, length: 0 })
    return mapping
  }

  freeCoherent(mapping: DmaMapping): void {
    this.#live.remove('coherent', mapping)
    this.#pages.free(mapping.cpu, Math.ceil(mapping.length / 4096))
  }

  map(cpu: number, length: number, direction: Direction, purpose: string): DmaMapping | null {
    checkSegment(cpu, length)
    if (cpu + length - 1 > this.#highest) return null
    const mapping = identityMapping(cpu, length)
    this.#live.add('streaming', [mapping], [mapping], accessOf(direction), purpose, { start: cpu, length: 0 })
    return mapping
  }

  unmap(mapping: DmaMapping): void {
    this.#live.remove('streaming', mapping)
  }

  /** Without an IOMMU, only segments that are adjacent in CPU memory are adjacent on the bus; Linux keeps even those. */
  mapScatter(segments: readonly Segment[], direction: Direction, purpose: string): readonly DmaMapping[] | null {
    if (segments.length === 0) throw new RangeError('a scatter list has at least one segment')
    for (const { cpu, length } of segments) {
      checkSegment(cpu, length)
      if (cpu + length - 1 > this.#highest) return null
    }
    const mappings = segments.map(({ cpu, length }) => identityMapping(cpu, length))
    this.#live.add('scatter', mappings, segments, accessOf(direction), purpose, { start: 0, length: 0 })
    return mappings
  }

  unmapScatter(mappings: readonly DmaMapping[]): void {
    this.#live.remove('scatter', mappings[0])
  }

  /** Mappings that stand now. Empty after a driver has given back what it took. */
  leaks(): readonly DmaLeak[] {
    return this.#live.leaks()
  }
}

const identityMapping = (cpu: number, length: number): DmaMapping => ({
  cpu,
  hi: highWord(cpu),
  lo: lowWord(cpu),
  length,
})
