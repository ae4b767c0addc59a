import { highWord, lowWord } from '@dmascope/layout'
import type { DmaWitness } from '@dmascope/memory/contracts'
import { type BusView, IDENTITY_VIEW } from './bus-view.ts'
import { type DmaAttributes, NO_CPU_ADDRESS, PLAIN } from './dma-attributes.ts'
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
import type { ClosedMemory, Coherency, WriteBarrier } from './memory-platform.ts'
import { PoolPages } from './pool-pages.ts'
import { outOfMemory, poolFull } from './shortage.ts'
import type { BouncedBuffer, Swiotlb } from './swiotlb.ts'

export interface DirectDmaOptions {
  /** The device, as the witness is to know it: `0000:00:03.0`. */
  readonly owner: string
  /** Address bits that the device can emit. */
  readonly maskBits: number
  readonly pages: PageAllocator
  readonly witness?: DmaWitness
  /** How the device's bus sees memory; the identity unless given. */
  readonly view?: BusView
  /** For a device that the hardware does not keep coherent with the CPU's caches. */
  readonly coherency?: Coherency
  /** Where memory is bounced that the device does not reach. */
  readonly bounce?: Swiotlb
  /** All is bounced: `swiotlb=force`, and where memory is closed to devices. */
  readonly bounceAll?: boolean
  /** Where memory is closed to devices unless it is opened. */
  readonly closed?: ClosedMemory
  /** Where writes can still be on their way when the device looks. */
  readonly barrier?: WriteBarrier
  /** Told of what the kernel's log would say: that memory, or bounce buffers, ran out. */
  warn?(line: string): void
}

const PAGE = 4096

/**
 * DMA without an IOMMU: what the platform needs between a buffer and its device, and no more. A bus may see memory
 * elsewhere; caches may have to be written back; memory that the device does not reach is bounced, where there is a
 * pool; writes may have to be waited for. The order is Linux's: bounced first, then the cache, then the bus address.
 */
export class DirectDma implements DmaOps {
  readonly maskBits: number
  readonly #highest: number
  readonly #options: DirectDmaOptions
  readonly #view: BusView
  readonly #live: LiveMappings
  readonly #bounced = new Map<DmaMapping, BouncedBuffer>()
  readonly #directions = new Map<DmaMapping, Direction>()
  #hasBounced = false

  constructor(options: DirectDmaOptions) {
    this.maskBits = checkMaskBits(options.maskBits)
    this.#highest = highestAddress(options.maskBits)
    this.#options = options
    this.#view = options.view ?? IDENTITY_VIEW
    this.#live = new LiveMappings(options.owner, options.witness)
  }

  /** `swiotlb` where anything is, or was, bounced. */
  get kind(): 'direct' | 'swiotlb' | 'xen' {
    return this.#hasBounced || this.#options.bounceAll === true ? 'swiotlb' : this.#view.kind
  }

  allocCoherent(length: number, purpose: string, attributes: DmaAttributes = PLAIN): DmaMapping | null {
    checkSegment(0, length)
    const { pages, closed, coherency, barrier } = this.#options
    const count = Math.ceil(length / PAGE)
    const memory = pages.allocate(count, this.#view.cpuEnd(this.#highest + 1))
    if (memory === null) return this.#warn(attributes, outOfMemory(this.#options.owner, count))
    const opened = closed?.open(memory, count * PAGE) ?? true
    // An address can depend on whether memory is open.
    const bus = opened ? this.#toBus(memory, length) : null
    if (bus === null) {
      if (opened) closed?.close(memory, count * PAGE)
      pages.free(memory, count)
      return null
    }
    // What the cache holds of it is of its last owner, and must not be written back over what comes.
    coherency?.beforeDevice(memory, count * PAGE, 'bidirectional')
    barrier?.drain()
    const unmapped = attributes.noKernelMapping === true && closed === undefined && !(pages instanceof PoolPages)
    const cpu = unmapped ? NO_CPU_ADDRESS : (coherency?.uncached(memory, length) ?? memory)
    const mapping = mappingAt(cpu, bus, length)
    this.#live.add('coherent', [mapping], [{ cpu: memory, length }], 3, purpose, { start: memory, length: 0 })
    return mapping
  }

  freeCoherent(mapping: DmaMapping): void {
    const { busStart: memory } = this.#live.remove('coherent', mapping)
    const count = Math.ceil(mapping.length / PAGE)
    this.#options.closed?.close(memory, count * PAGE)
    this.#options.pages.free(memory, count)
  }

  map(
    cpu: number,
    length: number,
    direction: Direction,
    purpose: string,
    attributes: DmaAttributes = PLAIN,
  ): DmaMapping | null {
    checkSegment(cpu, length)
    const mapping = this.#make(cpu, length, direction, attributes)
    if (mapping === null) return null
    this.#enter('streaming', [mapping], direction, purpose)
    return mapping
  }

  unmap(mapping: DmaMapping, attributes: DmaAttributes = PLAIN): void {
    this.#live.remove('streaming', mapping)
    this.#end(mapping, attributes)
  }

  /** Without an IOMMU, only segments that are adjacent in CPU memory are adjacent on the bus; Linux keeps even those. */
  mapScatter(
    segments: readonly Segment[],
    direction: Direction,
    purpose: string,
    attributes: DmaAttributes = PLAIN,
  ): readonly DmaMapping[] | null {
    if (segments.length === 0) throw new RangeError('a scatter list has at least one segment')
    for (const { cpu, length } of segments) checkSegment(cpu, length)
    const mappings: DmaMapping[] = []
    for (const { cpu, length } of segments) {
      const mapping = this.#make(cpu, length, direction, attributes)
      if (mapping === null) {
        for (const one of mappings) this.#end(one, { skipCpuSync: true })
        return null
      }
      mappings.push(mapping)
    }
    this.#enter('scatter', mappings, direction, purpose)
    return mappings
  }

  unmapScatter(mappings: readonly DmaMapping[], attributes: DmaAttributes = PLAIN): void {
    this.#live.remove('scatter', mappings[0])
    for (const mapping of mappings) this.#end(mapping, attributes)
  }

  syncForCpu(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    const direction = this.#directionOf(mapping, offset, length)
    const bounced = this.#bounced.get(mapping)
    this.#options.coherency?.afterDevice((bounced ?? mapping).cpu + offset, length, direction)
    if (bounced !== undefined) this.#options.bounce?.syncForCpu(bounced, offset, length)
  }

  syncForDevice(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    const direction = this.#directionOf(mapping, offset, length)
    const bounced = this.#bounced.get(mapping)
    if (bounced !== undefined) this.#options.bounce?.syncForDevice(bounced, offset, length)
    this.#options.coherency?.beforeDevice((bounced ?? mapping).cpu + offset, length, direction)
    this.#options.barrier?.drain()
  }

  /** Mappings that stand now. Empty after a driver has given back what it took. */
  leaks(): readonly DmaLeak[] {
    return this.#live.leaks()
  }

  /** The bus address, where bus and device reach it. */
  #toBus(cpu: number, length: number): number | null {
    const bus = this.#view.toBus(cpu, length)
    return bus === null || bus + length - 1 > this.#highest ? null : bus
  }

  #make(cpu: number, length: number, direction: Direction, attributes: DmaAttributes): DmaMapping | null {
    const { bounce, bounceAll = false, coherency, barrier } = this.#options
    const straight = bounceAll ? null : this.#toBus(cpu, length)
    if (straight === null && bounce === undefined) return null
    const bounced = straight === null ? (bounce?.map(cpu, length, direction) ?? null) : null
    if (bounced === null && straight === null && bounce !== undefined) {
      return this.#warn(attributes, poolFull(this.#options.owner, bounce, length))
    }
    const bus = straight ?? (bounced === null ? null : this.#toBus(bounced.cpu, length))
    if (bus === null) {
      if (bounced !== null) bounce?.unmap(bounced)
      return null
    }
    const mapping = mappingAt(cpu, bus, length)
    if (bounced !== null) {
      this.#hasBounced = true
      this.#bounced.set(mapping, bounced)
    }
    this.#directions.set(mapping, direction)
    if (attributes.skipCpuSync === true) return mapping
    coherency?.beforeDevice((bounced ?? mapping).cpu, length, direction)
    barrier?.drain()
    return mapping
  }

  #enter(kind: 'streaming' | 'scatter', mappings: readonly DmaMapping[], direction: Direction, purpose: string): void {
    const granted = mappings.map((mapping) => this.#bounced.get(mapping) ?? mapping)
    this.#live.add(kind, mappings, granted, accessOf(direction), purpose, { start: 0, length: 0 })
  }

  #end(mapping: DmaMapping, { skipCpuSync = false }: DmaAttributes): void {
    const direction = this.#directions.get(mapping) ?? 'bidirectional'
    const bounced = this.#bounced.get(mapping)
    if (!skipCpuSync) this.#options.coherency?.afterDevice((bounced ?? mapping).cpu, mapping.length, direction)
    if (bounced !== undefined) this.#options.bounce?.unmap(bounced, !skipCpuSync)
    this.#bounced.delete(mapping)
    this.#directions.delete(mapping)
  }

  #warn({ noWarn = false }: DmaAttributes, line: string): null {
    if (!noWarn) this.#options.warn?.(line)
    return null
  }

  /** @throws RangeError where the mapping does not stand, or the part is not of it */
  #directionOf(mapping: DmaMapping, offset: number, length: number): Direction {
    const direction = this.#directions.get(mapping)
    if (direction === undefined) throw new RangeError(`0x${mapping.cpu.toString(16)} is not mapped`)
    checkPart(mapping, offset, length)
    return direction
  }
}

const mappingAt = (cpu: number, bus: number, length: number): DmaMapping => ({
  cpu,
  hi: highWord(bus),
  lo: lowWord(bus),
  length,
})
