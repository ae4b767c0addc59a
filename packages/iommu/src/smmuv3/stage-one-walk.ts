import type { GuestRam } from '@dmascope/memory'
import { CHUNK_PAGES_LOG2, TableMemory } from '../table-memory.ts'
import type { Translation } from '../translator.ts'
import {
  ACCESS_FLAG_FREE,
  CONTEXT,
  FLAGS,
  FLAT,
  NO_PAGE,
  OUTPUT_BEYOND_HI,
  PRIVILEGED,
  REGION_1,
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
/** What nearly every page has: AF, for all, to be read and written. */
const COMMON_MASK = 0x4c0
const COMMON = 0x440
const AP_UNPRIVILEGED = 0x40
const AP_READ_ONLY = 0x80
const AF = 0x400
const TABLE_UNPRIVILEGED_NONE_HI = 0x2000_0000
const TABLE_READ_ONLY_HI = 0x4000_0000
/** Lines of the walk cache, each of four words: context, region, table, and what the descriptors above say with USED. */
const LINES = 64
const STRIDE = 4
const ABOVE = TABLE_READ_ONLY_HI | TABLE_UNPRIVILEGED_NONE_HI
/** A bit that is neither of ABOVE nor of an address. */
const USED = 0x8_0000
const BOTH = 3

/** The bits of an address that choose a descriptor of a table whose descriptors stand for 2^shift bytes. */
const indexAt = (hi: number, lo: number, shift: number): number =>
  (shift < 30 ? lo >>> shift : shift === 30 ? (lo >>> 30) | (hi << 2) : hi >>> (shift - 32)) & 511

/**
 * Stage 1 with the 4 KiB granule and no stage 2 behind it, which is what nearly every guest sets up; `StagedWalk` does
 * all the rest. A walk cache keeps the tables that translate a region of 1 GiB, by context.
 */
export class StageOneWalk {
  /** The lower word of the descriptor that the last successful walk ended with. */
  leaf = 0
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
   * Translates an address in the region at `region` of the configuration line at `line`: its bits alone that choose
   * descriptors, without the ones above a high address. Answers 0 and fills address, size and rights of `out`, or answers
   * the event.
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
    // Both regions have every part: REGION_1 is told by a bit that no part of 48 bits has.
    const part = (lo >>> 30) | (hi << 2) | ((region & REGION_1) << 20)
    const context = words[line + CONTEXT]!
    const cached = ((part ^ context) & (LINES - 1)) * STRIDE
    const known = upper[cached + 1] === part && upper[cached] === context && (upper[cached + 3]! & USED) !== 0
    const at = known
      ? this.#descend(upper[cached + 2]!, 21, 0, upper[cached + 3]!, hi, lo)
      : this.#descend(words[region + TABLE]!, words[region + SHIFT]!, words[region + TOP]!, 0, hi, lo)
    const beyondHi = words[line + OUTPUT_BEYOND_HI]!
    const above = this.#above
    // A table beyond the output size ends the walk before it is read: whatever was found there does not count.
    if (at < 0) return (above & beyondHi) !== 0 ? ADDR_SIZE : -at
    const { view } = this.#tables
    const entryLo = view.getInt32(at, true)
    const entryHi = view.getInt32(at | 4, true)
    if (((above | entryHi) & beyondHi) !== 0) return ADDR_SIZE
    let rights = BOTH
    if ((entryLo & COMMON_MASK) !== COMMON || (above & ABOVE) !== 0) {
      rights = rightsOf(entryLo, above, words[line + FLAGS]!, words[region + FLAT]!)
      if (rights < 0) return ACCESS_FLAG
      if ((rights & access) !== access) return PERMISSION
    }
    const shift = this.#shift
    const inner = (1 << shift) - 1
    out.hi = entryHi & 0xffff
    out.lo = ((entryLo & ~inner) | (lo & inner)) >>> 0
    out.log2Size = shift
    out.rights = rights
    this.leaf = entryLo
    if (!known && this.#cachesUpper && shift <= 21) this.#remember(words[region + SHIFT]!, cached, context, part)
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

  /** @param firstShift - of the top table; tables that begin at level 2 have none above it */
  #remember(firstShift: number, line: number, context: number, part: number): void {
    if (firstShift <= 21) return
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

/** What a page grants, after what the tables above take away unless attributes are flat; -1: its access flag is clear. */
function rightsOf(entryLo: number, above: number, flags: number, flat: number): number {
  if ((entryLo & AF) === 0 && (flags & ACCESS_FLAG_FREE) === 0) return -1
  const tables = flat === 0 ? above : 0
  const privilegedOnly = (entryLo & AP_UNPRIVILEGED) === 0 || (tables & TABLE_UNPRIVILEGED_NONE_HI) !== 0
  if (privilegedOnly && (flags & PRIVILEGED) === 0) return 0
  return (entryLo & AP_READ_ONLY) !== 0 || (tables & TABLE_READ_ONLY_HI) !== 0 ? 1 : BOTH
}
