import type { GuestRam } from '@dmascope/memory'
import { CHUNK_PAGES_LOG2, TableMemory } from '../table-memory.ts'
import type { Translation } from '../translator.ts'
import type { VtdFeatures } from './options.ts'
import { SCALABLE_FAULT_REASONS } from './spec/faults.ts'
import { FIRST_STAGE_ENTRY_BITS } from './spec/scalable-tables.ts'

const { P, R_W, U_S, A, D, PS } = FIRST_STAGE_ENTRY_BITS.fields
const PRESENT = P.loMask
const WRITABLE = R_W.loMask
const USER = U_S.loMask
const ACCESSED = A.loMask
const DIRTY = D.loMask
const LARGE = PS.loMask
/** A large page's bit 12 is PAT, so that bits below its size are reserved from 13 on. */
const ABOVE_PAT = -8192
const NOT_PRESENT = SCALABLE_FAULT_REASONS.firstStageNotPresent.value
const RESERVED = SCALABLE_FAULT_REASONS.firstStageReserved.value
const ACCESS = SCALABLE_FAULT_REASONS.firstStageAccess.value
const TOP_ACCESS = SCALABLE_FAULT_REASONS.firstStageTopAccess.value
const SUPERVISOR = SCALABLE_FAULT_REASONS.supervisorPage.value
const NOT_WRITABLE = SCALABLE_FAULT_REASONS.notWritable.value

/** The bits of an address that choose an entry of a table whose entries stand for 2^shift bytes. */
const indexAt = (hi: number, lo: number, shift: number): number =>
  (shift < 30 ? lo >>> shift : shift === 30 ? (lo >>> 30) | (hi << 2) : hi >>> (shift - 32)) & 511

/** The walk of first-stage tables, in the form of the processors' own: sets A and D on its way (VT-d 4.1 §3.6). */
export class FirstStageWalk {
  /** Of the last walk: the page could be written, but for its D bit, which is clear. */
  isClean = false
  readonly #tables: TableMemory
  readonly #largestShift: number
  readonly #beyondWidthHi: number

  constructor(ram: GuestRam, features: VtdFeatures) {
    this.#tables = new TableMemory(ram)
    this.#largestShift = features.firstStage1g ? 30 : 21
    this.#beyondWidthHi = 0xf_ffff & ~(2 ** (Math.min(features.addressWidth, 52) - 32) - 1)
  }

  /**
   * Translates a canonical address for a user. Answers 0 and fills address, size and rights of `out`, or the fault's
   * reason. The right to write is given only where the page's D bit is set, now or before.
   *
   * @param table - page number of the top table: at most 31 bits
   * @param access - what is asked for; 0 asks what the page grants
   * @param dirties - whether D is to be set where the page is writable
   */
  walk(
    table: number,
    levels: number,
    hi: number,
    lo: number,
    access: number,
    dirties: boolean,
    out: Translation,
  ): number {
    const tables = this.#tables
    const view = tables.view
    const top = levels * 9 + 3
    let page = table
    let writable = WRITABLE
    for (let shift = top; ; shift -= 9) {
      const index = indexAt(hi, lo, shift)
      const place = tables.placeOf(page >>> CHUNK_PAGES_LOG2)
      const offset = place >= 0 ? ((place | (page & 511)) << 12) | (index << 3) : tables.offsetOf(page, index)
      if (offset < 0) return shift === top ? TOP_ACCESS : ACCESS
      const entryLo = view.getInt32(offset, true)
      const entryHi = view.getInt32(offset | 4, true)
      if ((entryLo & PRESENT) === 0) return NOT_PRESENT
      if ((entryLo & USER) === 0) return SUPERVISOR
      writable &= entryLo
      if ((access & 2) !== 0 && writable === 0) return NOT_WRITABLE
      const large = (entryLo & LARGE) !== 0 && shift !== 12
      if ((large && shift > this.#largestShift) || (entryHi & this.#beyondWidthHi) !== 0) return RESERVED
      const leaf = large || shift === 12
      const inner = leaf ? (1 << shift) - 1 : 0
      if (large && (entryLo & inner & ABOVE_PAT) !== 0) return RESERVED
      const marks = leaf && dirties && writable !== 0 ? ACCESSED | DIRTY : ACCESSED
      // An entry that is present was written, so that its place is backed and may be written.
      if ((entryLo & marks) !== marks) view.setInt32(offset, entryLo | marks, true)
      if (leaf) {
        out.hi = entryHi & 0xf_ffff
        out.lo = ((entryLo & ~inner) | (lo & inner)) >>> 0
        out.log2Size = shift
        const dirty = ((entryLo | marks) & DIRTY) !== 0
        this.isClean = writable !== 0 && !dirty
        out.rights = writable !== 0 && dirty ? 3 : 1
        return 0
      }
      // No memory reaches 2^43.
      if ((entryHi & 0xf_f800) !== 0) return ACCESS
      page = (entryLo >>> 12) | (entryHi << 20)
    }
  }
}
