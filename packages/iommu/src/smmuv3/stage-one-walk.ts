import type { GuestRam } from '@dmascope/memory'
import { CHUNK_PAGES_LOG2, TableMemory } from '../table-memory.ts'
import type { Translation } from '../translator.ts'
import {
  ACCESS_FLAG_FREE,
  CONTEXT,
  FLAGS,
  FLAT,
  MASK_HI,
  MASK_LO,
  OUTPUT_BEYOND_HI,
  PRIVILEGED,
  SHIFT,
  TABLE,
  TOP,
} from './configuration.ts'
import type { SmmuV3Features } from './options.ts'
import { EVENTS } from './spec/events.ts'

const WALK_EABT = EVENTS.F_WALK_EABT.value
const TRANSLATION = EVENTS.F_TRANSLATION.value
const ADDR_SIZE = EVENTS.F_ADDR_SIZE.value
const ACCESS_FLAG = EVENTS.F_ACCESS.value
const PERMISSION = EVENTS.F_PERMISSION.value
/** Descriptor bits: lower word, then upper word of a table descriptor's APTable. */
const VALID = 1
const TABLE_OR_PAGE = 2
const AP_UNPRIVILEGED = 0x40
const AP_READ_ONLY = 0x80
const AF = 0x400
const NOT_GLOBAL = 0x800
const TABLE_UNPRIVILEGED_NONE_HI = 0x2000_0000
const TABLE_READ_ONLY_HI = 0x4000_0000
/** What tables above take away, in bits that no other flag of a walk has: all, or writing. */
const BOTH = 3

/** Lines of the walk cache, each of four words: context, region, table, and rights with USED. */
const LINES = 64
const STRIDE = 4
const USED = 4

/** The bits of an address that choose a descriptor of a table whose descriptors stand for 2^shift bytes. */
const indexAt = (hi: number, lo: number, shift: number): number =>
  (shift < 30 ? lo >>> shift : shift === 30 ? (lo >>> 30) | (hi << 2) : hi >>> (shift - 32)) & 511

/**
 * Stage 1 with the 4 KiB granule and no stage 2 behind it, which is what nearly every guest sets up; `StagedWalk` does
 * all the rest. A walk cache keeps the tables that translate a region of 1 GiB, by context.
 */
export class StageOneWalk {
  /** Whether the page of the last successful walk belongs to every ASID. */
  global = false
  readonly #upper = new Int32Array(LINES * STRIDE)
  readonly #cachesUpper: boolean
  readonly #tables: TableMemory

  constructor(ram: GuestRam, features: SmmuV3Features) {
    this.#tables = new TableMemory(ram)
    this.#cachesUpper = features.walkCache
  }

  /**
   * Translates the address (hi, lo), which lies in the region at `region` of the configuration line at `line`. Answers
   * 0 and fills address, size and rights of `out`, or answers the event.
   */
  walk(
    words: Int32Array,
    line: number,
    region: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const upper = this.#upper
    const part = (lo >>> 30) | (hi << 2)
    const context = words[line + CONTEXT]!
    const cached = ((part ^ context) & (LINES - 1)) * STRIDE
    // The ones above a high address choose nothing.
    const inner = hi & ~words[region + MASK_HI]!
    const innerLo = lo & ~words[region + MASK_LO]!
    const beyondHi = words[line + OUTPUT_BEYOND_HI]!
    if (upper[cached + 1] === part && upper[cached] === context && (upper[cached + 3]! & USED) !== 0) {
      const rights = upper[cached + 3]! & BOTH
      return this.#descend(
        words,
        line,
        region,
        upper[cached + 2]!,
        21,
        0,
        rights,
        beyondHi,
        part,
        inner,
        innerLo,
        access,
        out,
      )
    }
    const table = words[region + TABLE]!
    const top = words[region + TOP]!
    const shift = words[region + SHIFT]!
    return this.#descend(words, line, region, table, shift, top, BOTH, beyondHi, part, inner, innerLo, access, out)
  }

  /** From a table on whose descriptors stand for 2^shift bytes. What happens once stands in methods of its own. */
  #descend(
    words: Int32Array,
    line: number,
    region: number,
    table: number,
    firstShift: number,
    top: number,
    tableRights: number,
    beyondHi: number,
    part: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const tables = this.#tables
    const view = tables.view
    let page = table
    let first = top
    let rights = tableRights
    for (let shift = firstShift; ; shift -= 9) {
      const index = indexAt(hi, lo, shift) | first
      const place = tables.placeOf(page >>> CHUNK_PAGES_LOG2)
      const offset = place >= 0 ? ((place | (page & 511)) << 12) | (index << 3) : tables.offsetOf(page, index)
      if (offset < 0) return WALK_EABT
      const entryLo = view.getInt32(offset, true)
      const entryHi = view.getInt32(offset | 4, true)
      if ((entryLo & TABLE_OR_PAGE) === 0 || shift === 12 || (entryLo & VALID) === 0) {
        // A block, of level 1 or 2; a page; or nothing.
        if (!isLeaf(entryLo, shift)) return TRANSLATION
        if ((entryHi & beyondHi) !== 0) return ADDR_SIZE
        return this.#accept(words[line + FLAGS]!, entryLo, entryHi, shift, rights, lo, access, out)
      }
      if ((entryHi & beyondHi) !== 0) return ADDR_SIZE
      if ((entryHi & (TABLE_READ_ONLY_HI | TABLE_UNPRIVILEGED_NONE_HI)) !== 0) {
        rights &= tableRightsOf(entryHi, words[line + FLAGS]!, words[region + FLAT]!)
      }
      // No memory reaches 2^43.
      if ((entryHi & 0xf800) !== 0) return WALK_EABT
      page = (entryLo >>> 12) | ((entryHi & 0x7ff) << 20)
      first = 0
      if (shift === 30 && this.#cachesUpper) this.#remember(words[line + CONTEXT]!, part, page, rights)
    }
  }

  #accept(
    flags: number,
    entryLo: number,
    entryHi: number,
    shift: number,
    tableRights: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    if ((entryLo & AF) === 0 && (flags & ACCESS_FLAG_FREE) === 0) return ACCESS_FLAG
    let rights = tableRights
    if ((entryLo & AP_READ_ONLY) !== 0) rights &= 1
    if ((entryLo & AP_UNPRIVILEGED) === 0 && (flags & PRIVILEGED) === 0) rights = 0
    if ((rights & access) !== access) return PERMISSION
    const inner = (1 << shift) - 1
    out.hi = entryHi & 0xffff
    out.lo = ((entryLo & ~inner) | (lo & inner)) >>> 0
    out.log2Size = shift
    out.rights = rights
    this.global = (entryLo & NOT_GLOBAL) === 0
    return 0
  }

  #remember(context: number, part: number, page: number, rights: number): void {
    const upper = this.#upper
    const line = ((part ^ context) & (LINES - 1)) * STRIDE
    upper[line] = context
    upper[line + 1] = part
    upper[line + 2] = page
    upper[line + 3] = rights | USED
  }

  /** Forgets the upper tables of an ASID of a virtual machine; -1: of all its ASIDs. */
  invalidate(vmid: number, asid: number): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      const context = this.#upper[line]!
      if (context >>> 16 === vmid && (asid < 0 || (context & 0xffff) === asid)) this.#upper[line + 3] = 0
    }
  }

  invalidateAll(): void {
    this.#upper.fill(0)
  }
}

const isLeaf = (entryLo: number, shift: number): boolean =>
  shift === 12 ? (entryLo & 3) === 3 : (entryLo & 3) === VALID && (shift === 21 || shift === 30)

/** What APTable leaves, unless the region's attributes are flat. */
function tableRightsOf(entryHi: number, flags: number, flat: number): number {
  if (flat !== 0) return BOTH
  if ((entryHi & TABLE_UNPRIVILEGED_NONE_HI) !== 0 && (flags & PRIVILEGED) === 0) return 0
  return (entryHi & TABLE_READ_ONLY_HI) !== 0 ? 1 : BOTH
}
