import type { PageAllocator } from '@dmascope/dma'
import {
  STE_0,
  STE_1,
  STE_CONFIG,
  STREAM_TABLE_DESCRIPTOR,
  STREAM_TABLE_DESCRIPTOR_BITS,
  STREAM_TABLE_ENTRY,
  STRTAB_BASE,
  STRTAB_BASE_CFG,
  STRTAB_FORMAT,
} from '@dmascope/iommu/smmuv3/spec'
import { highWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { allocateAligned } from '../../early/aligned-pages.ts'
import { type SmmuFeatures, STRTAB_SPLIT } from './smmu-features.ts'

const PAGE = 4096
const ENTRY = STREAM_TABLE_ENTRY.size
const SECOND_LEVEL_BYTES = 2 ** STRTAB_SPLIT * ENTRY
const { V, Config, S1ContextPtr } = STE_0.fields
const { S1DSS, S1CIR, S1COR, S1CSH, SHCFG } = STE_1.fields
const WRITE_BACK = 1
const INNER_SHAREABLE = 3
const SUBSTREAM_0 = 2
const INCOMING = 1

/** An entry's first four words; the others are zero. */
export interface StreamEntry {
  readonly kind: 'abort' | 'bypass' | 'stage 1'
  readonly words: readonly [number, number, number, number]
}

const entryOf = (config: number): number => Config.setLo(V.setLo(0, 1), config)

/** `attributes`: 6.1 keeps the incoming ones in aborting entries too. */
export const abortEntry = (attributes: boolean): StreamEntry => ({
  kind: 'abort',
  words: [entryOf(STE_CONFIG.abort), 0, 0, attributes ? SHCFG.setHi(0, INCOMING) : 0],
})

export const BYPASS_ENTRY: StreamEntry = {
  kind: 'bypass',
  words: [entryOf(STE_CONFIG.bypass), 0, 0, SHCFG.setHi(0, INCOMING)],
}

/** Stage 1 by the context descriptor at this address. */
export const stageOneEntry = (descriptor: number): StreamEntry => {
  let second = S1DSS.setLo(0, SUBSTREAM_0)
  second = S1COR.setLo(S1CIR.setLo(second, WRITE_BACK), WRITE_BACK)
  second = S1CSH.setLo(second, INNER_SHAREABLE)
  const lo = S1ContextPtr.setLo(entryOf(STE_CONFIG.stage1), descriptor)
  return { kind: 'stage 1', words: [lo, S1ContextPtr.setHi(0, descriptor), second, 0] }
}

/** The driver's stream table: of two levels where the hardware has them, and linear where it has few streams. */
export class StreamTable {
  readonly base: number
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #streamIdBits: number
  readonly #twoLevel: boolean
  readonly #initial: StreamEntry
  /** Second-level tables by their number; a linear table is number 0. */
  readonly #tables = new Map<number, number>()

  private constructor(bus: CpuBus, pages: PageAllocator, features: SmmuFeatures, initial: StreamEntry, base: number) {
    this.#bus = bus
    this.#pages = pages
    this.#streamIdBits = features.streamIdBits
    this.#twoLevel = features.twoLevelStreamTable
    this.#initial = initial
    this.base = base
    if (!this.#twoLevel) this.#fill(base, 2 ** features.streamIdBits)
  }

  /** @param initial - what streams get that no driver has asked for. Null without memory. */
  static create(bus: CpuBus, pages: PageAllocator, features: SmmuFeatures, initial: StreamEntry): StreamTable | null {
    const { twoLevelStreamTable, streamIdBits } = features
    const bytes = twoLevelStreamTable
      ? 2 ** (streamIdBits - STRTAB_SPLIT) * STREAM_TABLE_DESCRIPTOR.size
      : 2 ** streamIdBits * ENTRY
    const base = allocateAligned(pages, Math.max(1, bytes / PAGE))
    return base === null ? null : new StreamTable(bus, pages, features, initial, base)
  }

  /** STRTAB_BASE as [hi, lo], and STRTAB_BASE_CFG. */
  get registers(): { readonly baseHi: number; readonly baseLo: number; readonly configuration: number } {
    const { FMT, SPLIT, LOG2SIZE } = STRTAB_BASE_CFG.fields
    const { RA, ADDR } = STRTAB_BASE.fields
    let configuration = LOG2SIZE.setLo(0, this.#streamIdBits)
    if (this.#twoLevel) configuration = SPLIT.setLo(FMT.setLo(configuration, STRTAB_FORMAT.twoLevel), STRTAB_SPLIT)
    return { baseHi: ADDR.setHi(RA.setHi(0, 1), this.base), baseLo: ADDR.setLo(0, this.base), configuration }
  }

  /** Makes sure that there is an entry for the stream. A text is why there cannot be. */
  prepare(stream: number): string | null {
    if (stream >= 2 ** this.#streamIdBits) return 'out of range of the stream table'
    if (!this.#twoLevel) return null
    const number = stream >>> STRTAB_SPLIT
    if (this.#tables.has(number)) return null
    const table = allocateAligned(this.#pages, SECOND_LEVEL_BYTES / PAGE)
    if (table === null) return `failed to allocate l2 stream table for SID ${stream}`
    this.#fill(table, 2 ** STRTAB_SPLIT)
    this.#tables.set(number, table)
    const at = this.base + number * STREAM_TABLE_DESCRIPTOR.size
    const { L2Ptr, Span } = STREAM_TABLE_DESCRIPTOR_BITS.fields
    this.#bus.write32(at + 4, highWord(table))
    this.#bus.write32(at, Span.setLo(L2Ptr.setLo(0, table), STRTAB_SPLIT + 1))
    return null
  }

  /** Address of the entry of a stream that was prepared. */
  addressOf(stream: number): number {
    if (!this.#twoLevel) return this.base + stream * ENTRY
    return this.#tables.get(stream >>> STRTAB_SPLIT)! + (stream & (2 ** STRTAB_SPLIT - 1)) * ENTRY
  }

  /** All of the entry but its first two words, which decide over the others. */
  writeRest(stream: number, { words }: StreamEntry): void {
    const at = this.addressOf(stream)
    this.#bus.write32(at + 8, words[2])
    this.#bus.write32(at + 12, words[3])
  }

  /** The first two words, that with V last. */
  writeFirst(stream: number, { words }: StreamEntry): void {
    const at = this.addressOf(stream)
    this.#bus.write32(at + 4, words[1])
    this.#bus.write32(at, words[0])
  }

  #fill(table: number, entries: number): void {
    const { words } = this.#initial
    for (let entry = 0; entry < entries; entry++) {
      const at = table + entry * ENTRY
      this.#bus.write32(at, words[0])
      if (words[3] !== 0) this.#bus.write32(at + 12, words[3])
    }
  }
}

/** The bytes of an entry, as hex pairs. */
export const entryBytes = ({ words }: StreamEntry): Uint8Array => {
  const bytes = new Uint8Array(16)
  words.forEach((word, index) => {
    new DataView(bytes.buffer).setUint32(4 * index, word, true)
  })
  return bytes
}
