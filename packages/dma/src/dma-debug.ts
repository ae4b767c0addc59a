import { type DmaAttributes, NO_CPU_ADDRESS, PLAIN } from './dma-attributes.ts'
import type { Direction, DmaMapping, DmaOps } from './dma-ops.ts'
import type { MappingKind } from './live-mappings.ts'

/** A driver's mistake, in the words of Linux's kernel/dma/debug.c. */
export interface DmaDebugReport {
  readonly owner: string
  readonly message: string
  readonly mapping: DmaMapping | null
}

export interface DmaDebugOptions {
  /** The device. */
  readonly owner: string
  report(mistake: DmaDebugReport): void
  /** Bytes of a cache line; 64 unless given. */
  readonly lineBytes?: number
}

/** A mapping as its driver made it. */
interface Entry {
  readonly kind: MappingKind
  readonly direction: Direction
  /** CPU memory under it; none where the kernel has no mapping. */
  readonly segments: readonly { readonly cpu: number; readonly length: number }[]
  /** Of a scatter list, all of its pieces. */
  readonly mappings: readonly DmaMapping[]
  /** Its cache lines are counted. */
  readonly tracked: boolean
}

const NAMES: Readonly<Record<MappingKind, string>> = {
  coherent: 'coherent',
  streaming: 'single',
  scatter: 'scatter-gather',
}

/**
 * Linux's DMA API debugging (CONFIG_DMA_API_DEBUG) around another DMA API: it lets every call through that makes sense,
 * reports what does not, and goes on.
 *
 * - what is freed, or synchronised, that is not mapped, by the wrong call, or beyond its end
 * - a synchronisation that the mapping's direction has no use for
 * - cache lines of two mappings that stand, one of which the device writes: bytes of the one are lost when the other is
 *   synchronised. Not where the driver says DMA_ATTR_SKIP_CPU_SYNC, and so that it sees to that
 * - what is still mapped when the driver leaves the device
 *
 * DEVIATION: a mapping is known by its object, not by device, address and size; so a size that differs cannot be freed.
 * Unchecked mapping errors, stacks and freed memory are not looked for.
 */
export class DebuggedDma implements DmaOps {
  readonly #dma: DmaOps
  readonly #options: DmaDebugOptions
  readonly #line: number
  /** By the first, or only, mapping. */
  readonly #entries = new Map<DmaMapping, Entry>()
  /** How many mappings that a device writes stand on each cache line. */
  readonly #lines = new Map<number, number>()

  constructor(dma: DmaOps, options: DmaDebugOptions) {
    this.#dma = dma
    this.#options = options
    this.#line = options.lineBytes ?? 64
  }

  get kind(): DmaOps['kind'] {
    return this.#dma.kind
  }

  allocCoherent(length: number, purpose: string, attributes: DmaAttributes = PLAIN): DmaMapping | null {
    const made = this.#dma.allocCoherent(length, purpose, attributes)
    if (made === null) return null
    const segments = made.cpu === NO_CPU_ADDRESS ? [] : [{ cpu: made.cpu, length }]
    this.#enter('coherent', 'bidirectional', segments, [made], attributes)
    return made
  }

  freeCoherent(mapping: DmaMapping): void {
    if (this.#leave('coherent', mapping)) this.#dma.freeCoherent(mapping)
  }

  map(
    cpu: number,
    length: number,
    direction: Direction,
    purpose: string,
    attributes: DmaAttributes = PLAIN,
  ): DmaMapping | null {
    const made = this.#dma.map(cpu, length, direction, purpose, attributes)
    if (made !== null) this.#enter('streaming', direction, [{ cpu, length }], [made], attributes)
    return made
  }

  unmap(mapping: DmaMapping, attributes: DmaAttributes = PLAIN): void {
    if (this.#leave('streaming', mapping)) this.#dma.unmap(mapping, attributes)
  }

  mapScatter(
    segments: readonly { readonly cpu: number; readonly length: number }[],
    direction: Direction,
    purpose: string,
    attributes: DmaAttributes = PLAIN,
  ): readonly DmaMapping[] | null {
    const made = this.#dma.mapScatter(segments, direction, purpose, attributes)
    if (made !== null) this.#enter('scatter', direction, segments, made, attributes)
    return made
  }

  unmapScatter(mappings: readonly DmaMapping[], attributes: DmaAttributes = PLAIN): void {
    if (this.#leave('scatter', mappings[0])) this.#dma.unmapScatter(mappings, attributes)
  }

  syncForCpu(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    if (this.#maySync(mapping, offset, length, 'to-device', 'read-only DMA memory for cpu')) {
      this.#dma.syncForCpu(mapping, offset, length)
    }
  }

  syncForDevice(mapping: DmaMapping, offset = 0, length = mapping.length - offset): void {
    if (this.#maySync(mapping, offset, length, 'from-device', 'write-only DMA memory to device')) {
      this.#dma.syncForDevice(mapping, offset, length)
    }
  }

  /** The driver lets the device go: what it still has mapped is reported, as one mistake. */
  released(): void {
    const [first] = this.#entries.values()
    if (first === undefined) return
    const count = this.#entries.size
    this.#report(
      `device driver has pending DMA allocations while released from device [count=${count}]; one is ${NAMES[first.kind]}`,
      first.mappings[0] ?? null,
    )
  }

  #enter(
    kind: MappingKind,
    direction: Direction,
    segments: Entry['segments'],
    mappings: readonly DmaMapping[],
    { skipCpuSync = false }: DmaAttributes,
  ): void {
    // A device that only reads takes nothing from another's line.
    const tracked = kind !== 'coherent' && direction !== 'to-device'
    const entry: Entry = { kind, direction, segments, mappings, tracked }
    if (tracked && this.#countLines(segments, 1) && !skipCpuSync) {
      this.#report("cacheline tracking EEXIST, overlapping mappings aren't supported", mappings[0] ?? null)
    }
    this.#entries.set(mappings[0]!, entry)
  }

  /** Whether that is to be freed so. */
  #leave(kind: MappingKind, mapping: DmaMapping | undefined): boolean {
    const entry = mapping && this.#entries.get(mapping)
    if (mapping === undefined || entry === undefined) {
      this.#report('device driver tries to free DMA memory it has not allocated', mapping ?? null)
      return false
    }
    if (entry.kind !== kind) {
      this.#report(
        `device driver frees DMA memory with wrong function [mapped as ${NAMES[entry.kind]}] [unmapped as ${NAMES[kind]}]`,
        mapping,
      )
      return false
    }
    this.#entries.delete(mapping)
    if (entry.tracked) this.#countLines(entry.segments, -1)
    return true
  }

  #maySync(mapping: DmaMapping, offset: number, length: number, useless: Direction, what: string): boolean {
    const entry = this.#entryOf(mapping)
    if (entry === undefined || entry.kind === 'coherent') {
      this.#report('device driver tries to sync DMA memory it has not allocated', mapping)
      return false
    }
    if (!(offset >= 0 && length > 0 && offset + length <= mapping.length)) {
      this.#report('device driver syncs DMA memory outside allocated range', mapping)
      return false
    }
    if (entry.direction === useless) this.#report(`device driver syncs device ${what}`, mapping)
    return true
  }

  #entryOf(mapping: DmaMapping): Entry | undefined {
    const known = this.#entries.get(mapping)
    if (known !== undefined) return known
    for (const entry of this.#entries.values()) if (entry.mappings.includes(mapping)) return entry
    return undefined
  }

  /** Whether any line was counted before. */
  #countLines(segments: Entry['segments'], change: 1 | -1): boolean {
    let shared = false
    for (const { cpu, length } of segments) {
      for (let line = Math.floor(cpu / this.#line); line * this.#line < cpu + length; line++) {
        const before = this.#lines.get(line) ?? 0
        shared ||= before > 0
        if (before + change <= 0) this.#lines.delete(line)
        else this.#lines.set(line, before + change)
      }
    }
    return shared
  }

  #report(message: string, mapping: DmaMapping | null): void {
    this.#options.report({ owner: this.#options.owner, message, mapping })
  }
}
