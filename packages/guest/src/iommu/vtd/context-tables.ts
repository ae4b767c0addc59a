import type { PageAllocator } from '@dmascope/dma'
import {
  CONTEXT_ENTRY,
  CONTEXT_ENTRY_HIGH,
  CONTEXT_ENTRY_LOW,
  ROOT_ENTRY,
  ROOT_ENTRY_LOW,
  TRANSLATION_TYPE,
} from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'

/** What a requester's DMA is to meet. */
export type ContextTarget =
  | { readonly kind: 'pass-through'; readonly domainId: number; readonly levels: number }
  | {
      readonly kind: 'first-stage' | 'second-stage'
      readonly domainId: number
      readonly levels: number
      readonly root: number
    }

/** Where an entry was written, and what stands there. */
export interface WrittenEntry {
  /** As the manual calls it. */
  readonly what: string
  readonly address: number
  /** As memory holds them. */
  readonly bytes: Uint8Array
}

/** A unit's tables from its root table down to what says where a requester's DMA goes. */
export interface RequesterTables {
  /** Guest-physical address of the root table. */
  readonly root: number
  /**
   * Points a requester at its target. The caller invalidates. Null where memory ran out.
   *
   * @param owner - the device's own requester ID, be this one its alias or not
   */
  set(requester: number, owner: number, target: ContextTarget): WrittenEntry | null
  /** Takes a requester's entry out. The caller invalidates. */
  clear(requester: number, owner: number): void
}

/** A unit's root table and the context tables under it, in legacy mode (VT-d 4.1 §9.1, §9.3). */
export class ContextTables implements RequesterTables {
  readonly root: number
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  /** Context table of each bus, once it has one. */
  readonly #tables = new Map<number, number>()

  private constructor(bus: CpuBus, pages: PageAllocator, root: number) {
    this.#bus = bus
    this.#pages = pages
    this.root = root
  }

  /** An empty root table; null where memory ran out. */
  static create(bus: CpuBus, pages: PageAllocator): ContextTables | null {
    const root = pages.allocate(1)
    return root === null ? null : new ContextTables(bus, pages, root)
  }

  set(requester: number, _owner: number, target: ContextTarget): WrittenEntry | null {
    const table = this.#table(requester >>> 8)
    if (table === null) return null
    const address = table + (requester & 0xff) * CONTEXT_ENTRY.size
    const { SSPTPTR, TT, P } = CONTEXT_ENTRY_LOW.fields
    const { AW, DID } = CONTEXT_ENTRY_HIGH.fields
    const pointer = target.kind === 'pass-through' ? 0 : target.root
    const type = target.kind === 'pass-through' ? TRANSLATION_TYPE.passThrough : TRANSLATION_TYPE.untranslatedOnly
    const upper = DID.setLo(AW.setLo(0, target.levels - 2), target.domainId)
    const lower = P.setLo(TT.setLo(SSPTPTR.setLo(0, pointer), type), 1)
    // Present last.
    this.#bus.write32(address + 12, 0)
    this.#bus.write32(address + 8, upper)
    this.#bus.write32(address + 4, SSPTPTR.setHi(0, pointer))
    this.#bus.write32(address, lower)
    const bytes = new Uint8Array(CONTEXT_ENTRY.size)
    this.#bus.readBytes(address, bytes)
    return { what: 'context entry', address, bytes }
  }

  clear(requester: number): void {
    const table = this.#tables.get(requester >>> 8)
    if (table === undefined) return
    const address = table + (requester & 0xff) * CONTEXT_ENTRY.size
    for (let offset = 0; offset < CONTEXT_ENTRY.size; offset += 4) this.#bus.write32(address + offset, 0)
  }

  #table(bus: number): number | null {
    const known = this.#tables.get(bus)
    if (known !== undefined) return known
    const made = this.#pages.allocate(1)
    if (made === null) return null
    this.#tables.set(bus, made)
    const entry = this.root + bus * ROOT_ENTRY.size
    this.#bus.write32(entry + 4, highWord(made))
    this.#bus.write32(entry, ROOT_ENTRY_LOW.fields.P.setLo(lowWord(made), 1))
    return made
  }
}
