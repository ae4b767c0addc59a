import type { GuestRam } from '@dmascope/memory'
import { CHUNK_PAGES_LOG2, TableMemory } from '../table-memory.ts'
import type { Translation } from '../translator.ts'
import { FAULTS } from './faults.ts'
import type { AmdViFeatures } from './options.ts'
import { HOST_PAGE_ENTRY, NEXT_LEVEL, PAGE_DIRECTORY_ENTRY, PAGE_TABLE_ENTRY } from './spec/tables.ts'

const PR = PAGE_TABLE_ENTRY.fields.PR.loMask
/** IR and IW come to stand in bits 1:0, as Access has them. */
const RIGHTS_SHIFT = 29
/** Reserved are bits 60:52 of an entry that leads to a table, 58:52 of one that leads to a page. */
const DIRECTORY_RESERVED_HI =
  ~(PAGE_DIRECTORY_ENTRY.fields.IR.hiMask | PAGE_DIRECTORY_ENTRY.fields.IW.hiMask | 0x8000_0000) & 0xfff0_0000
const PAGE_RESERVED_HI = DIRECTORY_RESERVED_HI & ~(PAGE_TABLE_ENTRY.fields.U.hiMask | PAGE_TABLE_ENTRY.fields.FC.hiMask)
const NOT_PRESENT = FAULTS.notPresent.value
const NO_PERMISSION = FAULTS.noPermission.value
const RESERVED = FAULTS.pageReserved.value
const LEVEL_ENCODING = FAULTS.levelEncoding.value
const ACCESS = FAULTS.pageTableAccess.value

/** Lines of the page directory cache, each of five words: domain and CACHED, region (two), table, rights. */
const LINES = 64
const STRIDE = 5
const CACHED = 0x1_0000

/**
 * The walk of the host page tables, with a cache of page directories: the tables that translate a region of 1 GiB, by
 * domain, so that a walk need not start at the top.
 */
export class HostWalk {
  /** Physical address of the entry that could not be read, after a PAGE_TAB_HARDWARE_ERROR. */
  failedAddress = 0
  readonly #directories = new Int32Array(LINES * STRIDE)
  readonly #cachesDirectories: boolean
  readonly #tables: TableMemory

  constructor(ram: GuestRam, features: AmdViFeatures) {
    this.#tables = new TableMemory(ram)
    this.#cachesDirectories = features.pageDirectoryCache
  }

  /**
   * Translates the input address (hi, lo), which lies within the tables' width. Answers 0 and fills the address, size
   * and rights of `out`, or answers the fault.
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
    const tables = this.#tables
    const view = tables.view
    let page = table
    let chunk = -1
    let place = -1
    let rights = 3
    let shift = levels * 9 + 3
    const directories = this.#directories
    const region = (lo >>> 30) | (hi << 2)
    const regionHi = hi >>> 30
    const line = ((region ^ domain) & (LINES - 1)) * STRIDE
    if (
      directories[line] === (domain | CACHED) &&
      directories[line + 1] === region &&
      directories[line + 2] === regionHi &&
      access !== 0 &&
      (directories[line + 4]! & access) === access
    ) {
      page = directories[line + 3]!
      rights = directories[line + 4]!
      shift = 21
    }
    while (true) {
      const index = indexAt(hi, lo, shift)
      if (page >>> CHUNK_PAGES_LOG2 !== chunk) {
        chunk = page >>> CHUNK_PAGES_LOG2
        place = tables.placeOf(chunk)
      }
      const offset = place >= 0 ? ((place | (page & 511)) << 12) | (index << 3) : tables.offsetOf(page, index)
      if (offset < 0) return this.#unreadable(page, index)
      const entryLo = view.getInt32(offset, true)
      const entryHi = view.getInt32(offset | 4, true)
      if ((entryLo & PR) === 0) return NOT_PRESENT
      rights &= entryHi >>> RIGHTS_SHIFT
      if ((rights & access) !== access || rights === 0) return NO_PERMISSION
      const next = (entryLo >>> 9) & 7
      if (next === NEXT_LEVEL.page || next === NEXT_LEVEL.sizedPage) {
        if ((entryHi & PAGE_RESERVED_HI) !== 0) return RESERVED
        const log2Size = next === NEXT_LEVEL.page ? shift : encodedLog2(entryHi, entryLo)
        // An encoded size lies between the level's own and that of the level above.
        if (next === NEXT_LEVEL.sizedPage && (log2Size <= shift || log2Size >= shift + 9)) return LEVEL_ENCODING
        const innerLo = log2Size >= 32 ? -1 : ~(-1 << log2Size)
        const innerHi = log2Size > 32 ? ~(-1 << (log2Size - 32)) : 0
        out.hi = ((entryHi & 0xf_ffff & ~innerHi) | (hi & innerHi)) >>> 0
        out.lo = ((entryLo & -4096 & ~innerLo) | (lo & innerLo)) >>> 0
        out.log2Size = log2Size
        out.rights = rights
        return 0
      }
      if ((entryHi & DIRECTORY_RESERVED_HI) !== 0) return RESERVED
      const nextShift = next * 9 + 3
      if (nextShift >= shift || skipsBits(hi, lo, nextShift + 9, shift)) return LEVEL_ENCODING
      if ((entryHi & 0xf_f800) !== 0) {
        // No memory reaches 2^43.
        return this.#unreadable((entryHi & 0xf_ffff) * 0x10_0000 + (entryLo >>> 12), indexAt(hi, lo, nextShift))
      }
      page = (entryLo >>> 12) | (entryHi << 20)
      shift = nextShift
      if (shift === 21 && this.#cachesDirectories) {
        directories[line] = domain | CACHED
        directories[line + 1] = region
        directories[line + 2] = regionHi
        directories[line + 3] = page
        directories[line + 4] = rights
      }
    }
  }

  #unreadable(page: number, index: number): number {
    this.failedAddress = page * 4096 + index * HOST_PAGE_ENTRY.size
    return ACCESS
  }

  /** Forgets the page directories of a domain. */
  invalidateDomain(domain: number): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      if (this.#directories[line] === (domain | CACHED)) this.#directories[line] = 0
    }
  }

  invalidateAll(): void {
    this.#directories.fill(0)
  }
}

/** Bits [shift+8:shift] of the input address: the index into a table. */
const indexAt = (hi: number, lo: number, shift: number): number =>
  (shift >= 32 ? hi >>> (shift - 32) : shift === 30 ? (lo >>> 30) | (hi << 2) : lo >>> shift) & 511

/**
 * The size that an address encodes: its lowest clear bit from 12 up, and one more. 64 where all of bits 51:12 are set.
 *
 * @param hi - upper word; of an entry, its flags above bit 51 do not count
 */
export function encodedLog2(hi: number, lo: number): number {
  const clearLo = ~(lo | 0xfff)
  if (clearLo !== 0) return 32 - Math.clz32(clearLo & -clearLo)
  const clearHi = ~hi & 0xf_ffff
  return clearHi === 0 ? 64 : 64 - Math.clz32(clearHi & -clearHi)
}

/** Whether the input address has bits set in [last:first), which a directory entry has skipped. */
function skipsBits(hi: number, lo: number, first: number, last: number): boolean {
  if (first >= last) return false
  if (first >= 32) return ((hi >>> (first - 32)) & (2 ** Math.min(last - first, 31) - 1)) !== 0
  const upper = last > 32 ? hi & (last >= 64 ? -1 : ~(-1 << (last - 32))) : 0
  const lower = last >= 32 ? lo >>> first : (lo >>> first) & (2 ** (last - first) - 1)
  return (upper | lower) !== 0
}

/** Whether the address has bits above those that so many levels translate: 9 each, and 12. */
export function isBeyond(hi: number, lo: number, levels: number): boolean {
  if (levels >= 6) return false
  if (levels >= 3) return hi >>> (levels * 9 - 20) !== 0
  return hi !== 0 || lo >>> (levels * 9 + 12) !== 0
}
