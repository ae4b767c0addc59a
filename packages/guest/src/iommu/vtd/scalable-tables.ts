import type { PageAllocator } from '@dmascope/dma'
import {
  PASID_DIRECTORY_ENTRY_BITS,
  PASID_TABLE_ENTRY,
  PASID_TABLE_ENTRY_HIGH,
  PASID_TABLE_ENTRY_LOW,
  PASID_TABLE_ENTRY_MIDDLE,
  PASID_TRANSLATION_TYPE,
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_CONTEXT_ENTRY_HIGH,
  SCALABLE_CONTEXT_ENTRY_LOW,
  SCALABLE_ROOT_ENTRY,
  SCALABLE_ROOT_ENTRY_HALF,
} from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { ContextTarget, RequesterTables, WrittenEntry } from './context-tables.ts'
import { RID_PASID } from './vtd-domain.ts'

/** Functions from 10.0 on have their context entries in the second table of a bus. */
const UPPER_HALF = 0x80
/** A directory of one page has 2^(PDTS + 7) entries. */
const DIRECTORY_SIZE_CODE = 2
/** Words of a PASID table entry that are not reserved. */
const USED_BYTES = 24

const TYPES = {
  'first-stage': PASID_TRANSLATION_TYPE.firstStage,
  'second-stage': PASID_TRANSLATION_TYPE.secondStage,
  'pass-through': PASID_TRANSLATION_TYPE.passThrough,
} as const

/** A device's PASID directory, and the table of its first 64 PASIDs. */
interface PasidTable {
  readonly directory: number
  readonly table: number
}

/** A unit's tables in scalable mode (VT-d 4.1 §9.2, §9.4 to §9.6): each device has PASIDs of its own. */
export class ScalableTables implements RequesterTables {
  readonly root: number
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  /** Context table of each half of a bus, once it has one. */
  readonly #contexts = new Map<number, number>()
  readonly #pasids = new Map<number, PasidTable>()

  private constructor(bus: CpuBus, pages: PageAllocator, root: number) {
    this.#bus = bus
    this.#pages = pages
    this.root = root
  }

  /** An empty root table; null where memory ran out. */
  static create(bus: CpuBus, pages: PageAllocator): ScalableTables | null {
    const root = pages.allocate(1)
    return root === null ? null : new ScalableTables(bus, pages, root)
  }

  /** A requester ID that several devices share keeps the PASIDs of the first: they share a domain, too. */
  set(requester: number, owner: number, target: ContextTarget): WrittenEntry | null {
    const pasids = this.#pasidTable(owner)
    if (pasids === null) return null
    const written = this.#writePasid(pasids.table + RID_PASID * PASID_TABLE_ENTRY.size, target)
    return this.#writeContext(requester, pasids.directory) ? written : null
  }

  /** The context entry stays: it leads to a PASID that is no longer there. */
  clear(_requester: number, owner: number): void {
    const pasids = this.#pasids.get(owner)
    if (pasids === undefined) return
    const address = pasids.table + RID_PASID * PASID_TABLE_ENTRY.size
    for (let offset = 0; offset < USED_BYTES; offset += 4) this.#bus.write32(address + offset, 0)
  }

  #writePasid(address: number, target: ContextTarget): WrittenEntry {
    const { SSPTPTR, PGTT, AW, P } = PASID_TABLE_ENTRY_LOW.fields
    const { FSPTPTR, FSPM, SRE } = PASID_TABLE_ENTRY_HIGH.fields
    const second = target.kind === 'second-stage' ? target.root : 0
    const first = target.kind === 'first-stage' ? target.root : 0
    const mode = target.kind === 'first-stage' && target.levels === 5 ? 1 : 0
    // Of requests in supervisor mode there are none; Linux allows them where addresses pass through.
    const upper = SRE.setLo(FSPM.setLo(FSPTPTR.setLo(0, first), mode), target.kind === 'pass-through' ? 1 : 0)
    const lower = P.setLo(PGTT.setLo(AW.setLo(SSPTPTR.setLo(0, second), target.levels - 2), TYPES[target.kind]), 1)
    this.#bus.write32(address + 20, FSPTPTR.setHi(0, first))
    this.#bus.write32(address + 16, upper)
    this.#bus.write32(address + 8, PASID_TABLE_ENTRY_MIDDLE.fields.DID.setLo(0, target.domainId))
    this.#bus.write32(address + 4, SSPTPTR.setHi(0, second))
    // Present last.
    this.#bus.write32(address, lower)
    const bytes = new Uint8Array(USED_BYTES)
    this.#bus.readBytes(address, bytes)
    return { what: 'PASID table entry', address, bytes }
  }

  /** False where memory ran out. */
  #writeContext(requester: number, directory: number): boolean {
    const table = this.#contextTable(requester)
    if (table === null) return false
    const address = table + (requester & (UPPER_HALF - 1)) * SCALABLE_CONTEXT_ENTRY.size
    const { PASIDDIRPTR, PDTS, P } = SCALABLE_CONTEXT_ENTRY_LOW.fields
    if ((this.#bus.read32(address) & P.loMask) !== 0) return true
    this.#bus.write32(address + 8, SCALABLE_CONTEXT_ENTRY_HIGH.fields.RID_PASID.setLo(0, RID_PASID))
    this.#bus.write32(address + 4, PASIDDIRPTR.setHi(0, directory))
    this.#bus.write32(address, P.setLo(PDTS.setLo(PASIDDIRPTR.setLo(0, directory), DIRECTORY_SIZE_CODE), 1))
    return true
  }

  #contextTable(requester: number): number | null {
    const half = requester >>> 7
    const known = this.#contexts.get(half)
    if (known !== undefined) return known
    const made = this.#pages.allocate(1)
    if (made === null) return null
    this.#contexts.set(half, made)
    const entry = this.root + (half >>> 1) * SCALABLE_ROOT_ENTRY.size + (half & 1) * 8
    this.#bus.write32(entry + 4, highWord(made))
    this.#bus.write32(entry, SCALABLE_ROOT_ENTRY_HALF.fields.P.setLo(lowWord(made), 1))
    return made
  }

  #pasidTable(owner: number): PasidTable | null {
    const known = this.#pasids.get(owner)
    if (known !== undefined) return known
    const directory = this.#pages.allocate(1)
    const table = directory === null ? null : this.#pages.allocate(1)
    if (directory === null || table === null) {
      if (directory !== null) this.#pages.free(directory, 1)
      return null
    }
    this.#bus.write32(directory + 4, highWord(table))
    this.#bus.write32(directory, PASID_DIRECTORY_ENTRY_BITS.fields.P.setLo(lowWord(table), 1))
    const made = { directory, table }
    this.#pasids.set(owner, made)
    return made
  }
}
