import type { GuestRam } from '@dmascope/memory'
import { CHUNK_PAGES_LOG2, TableMemory } from '../table-memory.ts'
import type { Translation } from '../translator.ts'
import type { VtdFeatures } from './options.ts'
import { FAULT_REASONS } from './spec/faults.ts'

const PS = 0x80
const SNP = 0x800
/** Bit 62, the retired TM field. Bit 63 and bits 61:52 are ignored. */
const TM_HI = 0x4000_0000
const LARGEST_SHIFT = { '4k': 12, '2m': 21, '1g': 30 } as const
const NOT_READABLE = FAULT_REASONS.notReadable.value
const NOT_WRITABLE = FAULT_REASONS.notWritable.value
const ENTRY_ACCESS = FAULT_REASONS.pagingEntryAccess.value
const ENTRY_RESERVED = FAULT_REASONS.pagingEntryReserved.value

/** Lines of the paging-structure cache, each of four words: domain and VALID, region, table, rights. */
const LINES = 64
const STRIDE = 4
const VALID = 0x1_0000

/** The bits of an address that choose an entry of a table whose entries stand for 2^shift bytes. */
const indexAt = (hi: number, lo: number, shift: number): number =>
  (shift < 30 ? lo >>> shift : shift === 30 ? (lo >>> 30) | (hi << 2) : hi >>> (shift - 32)) & 511

const refusal = (missing: number): number => ((missing & 2) !== 0 ? NOT_WRITABLE : NOT_READABLE)

/**
 * The walk of the second-stage tables, with a paging-structure cache: the tables that translate a region of 1 GiB, by
 * domain, so that a walk need not start at the top.
 */
export class SecondStageWalk {
  readonly #upper = new Int32Array(LINES * STRIDE)
  readonly #cachesUpper: boolean
  readonly #tables: TableMemory
  readonly #largestShift: number
  /** Reserved bits of entries that lead to a table, and of those that lead to a page. */
  readonly #tableReservedHi: number
  readonly #pageReservedHi: number
  readonly #pageReservedLo: number

  constructor(ram: GuestRam, features: VtdFeatures) {
    this.#tables = new TableMemory(ram)
    this.#cachesUpper = features.pagingStructureCache
    this.#largestShift = LARGEST_SHIFT[features.largestPage]
    const beyondWidth = 0xf_ffff & ~(2 ** (Math.min(features.addressWidth, 52) - 32) - 1)
    this.#tableReservedHi = beyondWidth | TM_HI
    this.#pageReservedHi = features.transientMapping ? beyondWidth : beyondWidth | TM_HI
    this.#pageReservedLo = features.snoopControl ? 0 : SNP
  }

  /**
   * Translates the input address (hi, lo), which lies within the tables' width. Answers 0 and fills the address, size
   * and rights of `out`, or answers the fault's reason.
   *
   * @param table - page number of the top table: at most 31 bits
   * @param access - what is asked for; 0 asks what the page grants, and only an entry that grants nothing stops it
   */
  walk(
    table: number,
    levels: number,
    domain: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const upper = this.#upper
    const region = (lo >>> 30) | (hi << 2)
    const line = ((region ^ domain) & (LINES - 1)) * STRIDE
    let page = table
    let shift = levels * 9 + 3
    let rights = 3
    if (
      upper[line] === (domain | VALID) &&
      upper[line + 1] === region &&
      access !== 0 &&
      (upper[line + 3]! & access) === access
    ) {
      page = upper[line + 2]!
      shift = 21
      rights = upper[line + 3]!
    }
    return this.#descend(page, shift, rights, domain, hi, lo, access, out)
  }

  /**
   * From a table on whose entries stand for 2^shift bytes. What a walk does once, or seldom, stands in methods of its
   * own, so that this loop is small enough for V8 to put in the place of its call (5 % of a walk).
   */
  #descend(
    table: number,
    firstShift: number,
    tableRights: number,
    domain: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const tables = this.#tables
    const view = tables.view
    let page = table
    let rights = tableRights
    for (let shift = firstShift; ; shift -= 9) {
      const index = indexAt(hi, lo, shift)
      const place = tables.placeOf(page >>> CHUNK_PAGES_LOG2)
      const offset = place >= 0 ? ((place | (page & 511)) << 12) | (index << 3) : tables.offsetOf(page, index)
      if (offset < 0) return ENTRY_ACCESS
      const entryLo = view.getInt32(offset, true)
      const entryHi = view.getInt32(offset | 4, true)
      rights &= entryLo
      if ((rights & access) !== access || rights === 0) return refusal(access & ~rights)
      if (shift === 12 || ((entryLo & PS) !== 0 && shift <= this.#largestShift)) {
        return this.#accept(entryLo, entryHi, shift, rights, lo, out)
      }
      // PS where no page of that size exists is reserved, too.
      if (((entryLo & (SNP | PS)) | (entryHi & this.#tableReservedHi)) !== 0) return ENTRY_RESERVED
      // No memory reaches 2^43.
      if ((entryHi & 0xf_f800) !== 0) return ENTRY_ACCESS
      page = (entryLo >>> 12) | (entryHi << 20)
      if (shift === 30 && this.#cachesUpper) this.#remember(domain, (lo >>> 30) | (hi << 2), page, rights)
    }
  }

  /** The entry leads to a page. */
  #accept(entryLo: number, entryHi: number, shift: number, rights: number, lo: number, out: Translation): number {
    const inner = (1 << shift) - 1
    // A large page's address has no bits below its size.
    const reservedLo = this.#pageReservedLo | (inner & -4096)
    if (((entryLo & reservedLo) | (entryHi & this.#pageReservedHi)) !== 0) return ENTRY_RESERVED
    out.hi = entryHi & 0xf_ffff
    out.lo = ((entryLo & ~inner) | (lo & inner)) >>> 0
    out.log2Size = shift
    out.rights = rights
    return 0
  }

  #remember(domain: number, region: number, page: number, rights: number): void {
    const upper = this.#upper
    const line = ((region ^ domain) & (LINES - 1)) * STRIDE
    upper[line] = domain | VALID
    upper[line + 1] = region
    upper[line + 2] = page
    upper[line + 3] = rights
  }

  /** Forgets the upper tables of a domain. */
  invalidateDomain(domain: number): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      if (this.#upper[line] === (domain | VALID)) this.#upper[line] = 0
    }
  }

  invalidateAll(): void {
    this.#upper.fill(0)
  }
}
