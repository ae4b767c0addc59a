import type { GuestRam } from '@dmascope/memory'
import type { RequesterId } from '../translator.ts'
import type { VtdFeatures } from './options.ts'
import { SCALABLE_FAULT_REASONS } from './spec/faults.ts'
import {
  PASID_DIRECTORY_ENTRY,
  PASID_DIRECTORY_ENTRY_BITS,
  PASID_TABLE_ENTRY,
  PASID_TABLE_ENTRY_HIGH,
  PASID_TABLE_ENTRY_LOW,
  PASID_TABLE_ENTRY_MIDDLE,
  PASID_TRANSLATION_TYPE,
} from './spec/scalable-tables.ts'

const LINES = 256
const STRIDE = 8
/** Words of a line. TAG is 0, or the requester with VALID. */
const TAG = 0
const PASID = 1
/** PGTT. */
export const PASID_TYPE = 2
export const PASID_DOMAIN = 3
/** Page number of the top table of its stage; a page that no memory has stands for all beyond 31 bits. */
export const PASID_TABLE = 4
/** 0, or the fault that the entry makes of every request. */
export const PASID_REASON = 5
export const PASID_LEVELS = 6
/** FPD of the directory entry or of the PASID's: faults are not recorded. */
export const PASID_FPD = 7
const VALID = 0x1_0000
const NO_PAGE = 0x7fff_ffff

const P = 1
const low = PASID_TABLE_ENTRY_LOW.fields
const high = PASID_TABLE_ENTRY_HIGH.fields
const FPD = low.FPD.loMask
const DIRECTORY_RESERVED = 0xffc
/** Bits 11:10 and 5, and SSADE, which needs ECAP.SSADS. */
const LOW_RESERVED = 0xc20 | low.SSADE.loMask
const MIDDLE_RESERVED = 0x7f_0000
const PASIDS_LOG2 = 6
const PASID_MASK = 63
const reasons = SCALABLE_FAULT_REASONS

const pageOf = (hi: number, lo: number): number => (hi >= 0x800 ? NO_PAGE : (lo >>> 12) | (hi << 20))

/** The PASID-cache: what PASID directory and PASID table say of a requester's PASID, until it is invalidated. */
export class PasidCache {
  /** Read with the constants above, at the offset that `find` answers. */
  readonly words = new Int32Array((LINES + 1) * STRIDE)
  readonly #ram: GuestRam
  readonly #features: VtdFeatures
  readonly #deepest: number

  constructor(ram: GuestRam, features: VtdFeatures) {
    this.#ram = ram
    this.#features = features
    this.#deepest = (features.addressWidth - 12) / 9
  }

  /**
   * Offset of the line of a requester's PASID, which is below the number that its directory has. A fault that is not
   * cached stands in a line of its own.
   *
   * @param directory - page number of the PASID directory, should it have to be read
   */
  find(requester: RequesterId, pasid: number, directory: number): number {
    const words = this.words
    const line = ((requester ^ (requester >>> 8) ^ pasid) & (LINES - 1)) * STRIDE
    return words[line + TAG] === (requester | VALID) && words[line + PASID] === pasid
      ? line
      : this.#fetch(requester, pasid, directory, line)
  }

  #fetch(requester: RequesterId, pasid: number, directory: number, line: number): number {
    const words = this.words
    const scratch = LINES * STRIDE
    words.fill(0, scratch, scratch + STRIDE)
    const reason = this.#read(pasid, directory, scratch)
    words[scratch + PASID] = pasid
    words[scratch + PASID_REASON] = reason
    // What is not present or faulty is cached in caching mode only, and then under domain 0 (§6.1).
    if (reason !== 0) {
      if (!this.#features.cachingMode) return scratch
      words[scratch + PASID_DOMAIN] = 0
    }
    words[scratch + TAG] = requester | VALID
    words.copyWithin(line, scratch, scratch + STRIDE)
    return line
  }

  #read(pasid: number, directory: number, into: number): number {
    const { view } = this.#ram
    const at = this.#ram.offsetToRead(directory * 4096 + (pasid >>> PASIDS_LOG2) * PASID_DIRECTORY_ENTRY.size)
    if (at < 0) return reasons.directoryEntryAccess.value
    const lo = PASID_DIRECTORY_ENTRY.fields.value.lo.get(view, at)
    const hi = PASID_DIRECTORY_ENTRY.fields.value.hi.get(view, at)
    this.words[into + PASID_FPD] = lo & PASID_DIRECTORY_ENTRY_BITS.fields.FPD.loMask
    if ((lo & P) === 0) return reasons.directoryNotPresent.value
    if ((lo & DIRECTORY_RESERVED) !== 0 || this.#isBeyondWidth(hi)) return reasons.directoryReserved.value
    const table = hi * 0x1_0000_0000 + ((lo & -4096) >>> 0)
    const entry = this.#ram.offsetToRead(table + (pasid & PASID_MASK) * PASID_TABLE_ENTRY.size)
    if (entry < 0) return reasons.pasidEntryAccess.value
    return this.#decode(entry, into)
  }

  #decode(entry: number, into: number): number {
    const { view } = this.#ram
    const { fields } = PASID_TABLE_ENTRY
    const words = this.words
    const lo = fields.low.lo.get(view, entry)
    const hi = fields.low.hi.get(view, entry)
    const middle = fields.middle.lo.get(view, entry)
    const upperLo = fields.high.lo.get(view, entry)
    const upperHi = fields.high.hi.get(view, entry)
    words[into + PASID_FPD]! |= lo & FPD
    if ((lo & P) === 0) return reasons.pasidNotPresent.value
    let rest = 0
    for (let at = entry + 24; at < entry + PASID_TABLE_ENTRY.size; at += 4) rest |= view.getInt32(at, true)
    const beyond = this.#isBeyondWidth(hi) || this.#isBeyondWidth(upperHi)
    if (((lo & LOW_RESERVED) | (middle & MIDDLE_RESERVED) | rest) !== 0 || beyond) return reasons.pasidReserved.value
    words[into + PASID_DOMAIN] = PASID_TABLE_ENTRY_MIDDLE.fields.DID.get(middle)
    const type = low.PGTT.get(lo)
    words[into + PASID_TYPE] = type
    switch (type) {
      case PASID_TRANSLATION_TYPE.firstStage:
        words[into + PASID_TABLE] = pageOf(upperHi, upperLo)
        return this.#setFirstStageLevels(high.FSPM.get(upperLo), into)
      case PASID_TRANSLATION_TYPE.secondStage:
        words[into + PASID_TABLE] = pageOf(hi, lo)
        return this.#setSecondStageLevels(low.AW.get(lo), into)
      case PASID_TRANSLATION_TYPE.passThrough:
        return this.#features.passThrough ? 0 : reasons.pasidInvalid.value
      default:
        // Nested translation needs ECAP.NEST.
        return reasons.pasidInvalid.value
    }
  }

  #setFirstStageLevels(mode: number, into: number): number {
    const { firstStage, firstStageFiveLevels } = this.#features
    this.words[into + PASID_LEVELS] = mode + 4
    return firstStage && (mode === 0 || (mode === 1 && firstStageFiveLevels)) ? 0 : reasons.pasidInvalid.value
  }

  #setSecondStageLevels(width: number, into: number): number {
    const levels = width + 2
    this.words[into + PASID_LEVELS] = levels
    return this.#features.secondStage && levels >= 3 && levels <= this.#deepest ? 0 : reasons.pasidInvalid.value
  }

  #isBeyondWidth(hi: number): boolean {
    return hi >= 2 ** (this.#features.addressWidth - 32)
  }

  /** The PASID that a line is about. */
  pasidOf(line: number): number {
    return this.words[line + PASID]!
  }

  invalidateAll(): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) this.words[line + TAG] = 0
  }

  /** All PASIDs of a domain, or one of them. What is faulty answers to any domain. */
  invalidateDomain(domain: number, pasid?: number): void {
    const words = this.words
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      const sameDomain = words[line + PASID_DOMAIN] === domain || words[line + PASID_REASON] !== 0
      if (sameDomain && (pasid === undefined || words[line + PASID] === pasid)) words[line + TAG] = 0
    }
  }
}
