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
  NO_PAGE,
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
const AP_UNPRIVILEGED = 0x40
const AP_READ_ONLY = 0x80
const AF = 0x400
const NOT_GLOBAL = 0x800
const TABLE_UNPRIVILEGED_NONE_HI = 0x2000_0000
const TABLE_READ_ONLY_HI = 0x4000_0000
/** Lines of the walk cache, each of four words: context, region, table, and what the descriptors above say with USED. */
const LINES = 64
const STRIDE = 4
const ABOVE = TABLE_READ_ONLY_HI | TABLE_UNPRIVILEGED_NONE_HI
/** A bit that no descriptor has in ABOVE. */
const USED = 1
const BOTH = 3

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
  /** After a descent: the upper words of all table descriptors, the leaf's shift, and the table of level 2 with its own. */
  #above = 0
  #shift = 0
  #middle = 0
  #aboveMiddle = 0

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
    let table = words[region + TABLE]!
    let shift = words[region + SHIFT]!
    let first = words[region + TOP]!
    let aboveTable = 0
    if (upper[cached + 1] === part && upper[cached] === context && (upper[cached + 3]! & USED) !== 0) {
      table = upper[cached + 2]!
      shift = 21
      first = 0
      aboveTable = upper[cached + 3]!
    }
    // The ones above a high address choose nothing.
    const innerHi = hi & ~words[region + MASK_HI]!
    const at = this.#descend(table, shift, first, aboveTable, innerHi, lo & ~words[region + MASK_LO]!)
    if (shift > 21 && at >= 0 && this.#shift <= 21 && this.#cachesUpper)
      this.#remember(cached, context, part, words[line + OUTPUT_BEYOND_HI]!)
    return this.#accept(words, line, region, at, lo, access, out)
  }

  /** What was found at the end of the descent. */
  #accept(
    words: Int32Array,
    line: number,
    region: number,
    at: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    const above = this.#above
    const beyondHi = words[line + OUTPUT_BEYOND_HI]!
    // A table beyond the output size ends the walk before it is read: whatever was found there does not count.
    if ((above & beyondHi & 0xffff) !== 0) return ADDR_SIZE
    if (at < 0) return -at
    const { view } = this.#tables
    const entryLo = view.getInt32(at, true)
    const entryHi = view.getInt32(at | 4, true)
    if ((entryHi & beyondHi) !== 0) return ADDR_SIZE
    const flags = words[line + FLAGS]!
    if ((entryLo & AF) === 0 && (flags & ACCESS_FLAG_FREE) === 0) return ACCESS_FLAG
    let rights = (entryLo & AP_READ_ONLY) !== 0 ? 1 : BOTH
    if ((entryLo & AP_UNPRIVILEGED) === 0 && (flags & PRIVILEGED) === 0) rights = 0
    if ((above & ABOVE) !== 0) rights &= tableRightsOf(above, flags, words[region + FLAT]!)
    if ((rights & access) !== access) return PERMISSION
    const leafShift = this.#shift
    const inner = (1 << leafShift) - 1
    out.hi = entryHi & 0xffff
    out.lo = ((entryLo & ~inner) | (lo & inner)) >>> 0
    out.log2Size = leafShift
    out.rights = rights
    this.global = (entryLo & NOT_GLOBAL) === 0
    return 0
  }

  /**
   * From a table on whose descriptors stand for 2^shift bytes. Answers the offset of the block's or page's descriptor
   * in the store, or the event, negated. The loop is small enough for V8 to put it in the place of its call.
   */
  #descend(table: number, firstShift: number, top: number, aboveTable: number, hi: number, lo: number): number {
    const tables = this.#tables
    const view = tables.view
    let page = table
    let first = top
    let above = aboveTable
    for (let shift = firstShift; ; shift -= 9) {
      const index = indexAt(hi, lo, shift) | first
      const place = tables.placeOf(page >>> CHUNK_PAGES_LOG2)
      const offset = place >= 0 ? ((place | (page & 511)) << 12) | (index << 3) : tables.offsetOf(page, index)
      const entryLo = offset < 0 ? 0 : view.getInt32(offset, true)
      if (shift === 12 || (entryLo & 3) !== 3) {
        this.#above = above
        this.#shift = shift
        return offset < 0 ? -WALK_EABT : isLeaf(entryLo, shift) ? offset : -TRANSLATION
      }
      const entryHi = view.getInt32(offset | 4, true)
      above |= entryHi
      // No memory reaches 2^43: such a page is one that there is not.
      page = (entryHi & 0xf800) !== 0 ? NO_PAGE : (entryLo >>> 12) | ((entryHi & 0x7ff) << 20)
      first = 0
      if (shift === 30) {
        this.#middle = page
        this.#aboveMiddle = above
      }
    }
  }

  /** But for a table that lies beyond the output size. */
  #remember(line: number, context: number, part: number, beyondHi: number): void {
    if ((this.#above & beyondHi & 0xffff) !== 0) return
    const upper = this.#upper
    upper[line] = context
    upper[line + 1] = part
    upper[line + 2] = this.#middle
    upper[line + 3] = (this.#aboveMiddle & ABOVE) | USED
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
