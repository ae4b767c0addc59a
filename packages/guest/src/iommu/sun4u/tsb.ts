import type { TranslationTable } from '@dmascope/dma'
import type { Access, CpuBus } from '@dmascope/memory/contracts'
import type { KernelPages } from '../../early/page-allocator.ts'

const CPU_PAGE = 4096
const PAGE_SHIFT = 13
const PAGE = 2 ** PAGE_SHIFT
const ENTRY = 8
/** IOPTE_VALID in the upper half; IOPTE_CACHE and IOPTE_WRITE in the lower. */
const VALID = 0x8000_0000
const CACHE = 0x10
const WRITE = 2
/** Bytes of the table that are written at a time as it is made. */
const CHUNK = 0x1_0000

/**
 * The translation storage buffer in memory, a page of 8 KiB an entry. An entry that maps nothing leads to a page of
 * nobody's (`iopte_make_dummy`): one that was never used is not valid, one that was still is.
 */
export class Tsb implements TranslationTable {
  readonly pageShift = PAGE_SHIFT
  readonly base: number
  readonly entries: number
  /** Where it lies. */
  readonly address: number
  readonly #bus: CpuBus
  readonly #dummy: number
  readonly #flushAll: () => void
  readonly #entry = new DataView(new ArrayBuffer(ENTRY))
  readonly #bytes = new Uint8Array(this.#entry.buffer)

  private constructor(
    bus: CpuBus,
    place: { readonly address: number; readonly dummy: number },
    base: number,
    entries: number,
    flushAll: () => void,
  ) {
    this.#bus = bus
    this.address = place.address
    this.#dummy = place.dummy
    this.base = base
    this.entries = entries
    this.#flushAll = flushAll
  }

  /**
   * @param base - bus address of the first page
   * @returns null without memory
   */
  static create(bus: CpuBus, pages: KernelPages, base: number, entries: number, flushAll: () => void): Tsb | null {
    const dummy = alignedBytes(pages, PAGE)
    const address = alignedBytes(pages, entries * ENTRY)
    if (dummy === null || address === null) return null
    bus.writeBytes(dummy, new Uint8Array(PAGE))
    const bytes = new Uint8Array(CHUNK)
    const first = new DataView(bytes.buffer)
    first.setUint32(0, Math.floor(dummy / 0x1_0000_0000))
    first.setUint32(4, dummy % 0x1_0000_0000)
    for (let done = ENTRY; done < CHUNK; done *= 2) bytes.copyWithin(done, 0, done)
    for (let at = 0; at < entries * ENTRY; at += CHUNK) bus.writeBytes(address + at, bytes)
    return new Tsb(bus, { address, dummy }, base, entries, flushAll)
  }

  set(entry: number, physical: number, access: Access): void {
    this.#put(entry, VALID, physical, CACHE | ((access & 2) !== 0 ? WRITE : 0))
  }

  /** The entry stays as it is but for the page. */
  clear(entry: number): void {
    this.#bus.readBytes(this.address + entry * ENTRY, this.#bytes)
    this.#put(entry, this.#entry.getUint32(0) & VALID, this.#dummy, this.#entry.getUint32(4) & (CACHE | WRITE))
  }

  flushAll(): void {
    this.#flushAll()
  }

  #put(entry: number, flagsHigh: number, physical: number, flagsLow: number): void {
    this.#entry.setUint32(0, Math.floor(physical / 0x1_0000_0000) | flagsHigh)
    this.#entry.setUint32(4, (physical % 0x1_0000_0000) + flagsLow)
    this.#bus.writeBytes(this.address + entry * ENTRY, this.#bytes)
  }
}

/** Memory that begins at a multiple of its own size, a power of two; not cleared. What is around it goes back. */
function alignedBytes(pages: KernelPages, bytes: number): number | null {
  const count = bytes / CPU_PAGE
  const around = pages.reserve(2 * count - 1)
  if (around === null) return null
  const address = Math.ceil(around / bytes) * bytes
  const before = (address - around) / CPU_PAGE
  if (before > 0) pages.free(around, before)
  if (before < count - 1) pages.free(address + bytes, count - 1 - before)
  return address
}
