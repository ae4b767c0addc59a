import type { GuestRam } from '@dmascope/memory'
import type { RequesterId } from '../translator.ts'
import type { VtdFeatures } from './options.ts'
import { SCALABLE_FAULT_REASONS } from './spec/faults.ts'
import {
  SCALABLE_CONTEXT_ENTRY,
  SCALABLE_CONTEXT_ENTRY_HIGH,
  SCALABLE_CONTEXT_ENTRY_LOW,
  SCALABLE_ROOT_ENTRY,
} from './spec/scalable-tables.ts'

const LINES = 256
const STRIDE = 8
/** Words of a line. TAG is 0, or the requester with VALID. */
const TAG = 0
/** 0, or the fault that the entry makes of every request. */
export const CONTEXT_REASON = 1
/** The flags below. */
export const CONTEXT_FLAGS = 2
/** Page number of the PASID directory; a page that no memory has stands for all that lie beyond 31 bits. */
export const DIRECTORY = 3
/** The PASID of requests that have none. */
export const RID_PASID = 4
/** PASIDs that the directory has. */
export const PASIDS = 5
const VALID = 0x1_0000
const NO_PAGE = 0x7fff_ffff

const low = SCALABLE_CONTEXT_ENTRY_LOW.fields
const high = SCALABLE_CONTEXT_ENTRY_HIGH.fields
/** Of CONTEXT_FLAGS: bits as they stand in the entry. */
export const CONTEXT_FPD = low.FPD.loMask
export const CONTEXT_DTE = low.DTE.loMask
export const CONTEXT_PASIDE = low.PASIDE.loMask
const FLAGS = CONTEXT_FPD | CONTEXT_DTE | CONTEXT_PASIDE
const P = 1
const ROOT_RESERVED = 0xffe
const LOW_RESERVED = 0x1e0
const HIGH_RESERVED_LO = ~(high.RID_PRIV.loMask | high.RID_PASID.loMask) | 0
/** Functions from 10.0 on have their entries in the second table of a bus. */
const UPPER_HALF = 0x80

/** The context-cache of scalable mode: what root and context entries say of a requester, until it is invalidated. */
export class ScalableContextCache {
  /** Read with the constants above, at the offset that `find` answers. */
  readonly words = new Int32Array((LINES + 1) * STRIDE)
  readonly #ram: GuestRam
  readonly #cachingMode: boolean
  readonly #ridPasid: boolean
  readonly #addressWidth: number
  #root = 0

  constructor(ram: GuestRam, features: VtdFeatures) {
    this.#ram = ram
    this.#cachingMode = features.cachingMode
    this.#ridPasid = features.ridPasid !== 'none'
    this.#addressWidth = features.addressWidth
  }

  /** From now on the root table stands there; what is cached stays. */
  setRoot(address: number): void {
    this.#root = address
  }

  /** Offset of the requester's line. A fault that is not cached stands in a line of its own. */
  find(requester: RequesterId): number {
    const line = ((requester ^ (requester >>> 8)) & (LINES - 1)) * STRIDE
    return this.words[line + TAG] === (requester | VALID) ? line : this.#fetch(requester, line)
  }

  #fetch(requester: RequesterId, line: number): number {
    const words = this.words
    const scratch = LINES * STRIDE
    words.fill(0, scratch, scratch + STRIDE)
    const reason = this.#read(requester, scratch)
    words[scratch + CONTEXT_REASON] = reason
    // What is not present or faulty is cached in caching mode only (§6.1).
    if (reason !== 0 && !this.#cachingMode) return scratch
    words[scratch + TAG] = requester | VALID
    words.copyWithin(line, scratch, scratch + STRIDE)
    return line
  }

  #read(requester: RequesterId, into: number): number {
    const { view } = this.#ram
    const root = this.#ram.offsetToRead(this.#root + (requester >>> 8) * SCALABLE_ROOT_ENTRY.size)
    if (root < 0) return SCALABLE_FAULT_REASONS.rootEntryAccess.value
    const half = (requester & UPPER_HALF) === 0 ? SCALABLE_ROOT_ENTRY.fields.low : SCALABLE_ROOT_ENTRY.fields.high
    const lo = half.lo.get(view, root)
    const hi = half.hi.get(view, root)
    if ((lo & P) === 0) return SCALABLE_FAULT_REASONS.rootNotPresent.value
    if ((lo & ROOT_RESERVED) !== 0 || this.#isBeyondWidth(hi)) return SCALABLE_FAULT_REASONS.rootReserved.value
    const table = hi * 0x1_0000_0000 + ((lo & -4096) >>> 0)
    const entry = this.#ram.offsetToRead(table + (requester & (UPPER_HALF - 1)) * SCALABLE_CONTEXT_ENTRY.size)
    if (entry < 0) return SCALABLE_FAULT_REASONS.contextEntryAccess.value
    return this.#decode(entry, into)
  }

  #decode(entry: number, into: number): number {
    const { view } = this.#ram
    const { fields } = SCALABLE_CONTEXT_ENTRY
    const words = this.words
    const lo = fields.low.lo.get(view, entry)
    const hi = fields.low.hi.get(view, entry)
    const upperLo = fields.high.lo.get(view, entry)
    words[into + CONTEXT_FLAGS] = lo & FLAGS
    if ((lo & P) === 0) return SCALABLE_FAULT_REASONS.contextNotPresent.value
    const rest =
      fields.reserved_128.lo.get(view, entry) |
      fields.reserved_128.hi.get(view, entry) |
      fields.reserved_192.lo.get(view, entry) |
      fields.reserved_192.hi.get(view, entry)
    const reserved = (lo & LOW_RESERVED) | (upperLo & HIGH_RESERVED_LO) | fields.high.hi.get(view, entry) | rest
    if (reserved !== 0 || this.#isBeyondWidth(hi)) return SCALABLE_FAULT_REASONS.contextReserved.value
    words[into + DIRECTORY] = hi >= 0x800 ? NO_PAGE : (lo >>> 12) | (hi << 20)
    words[into + RID_PASID] = this.#ridPasid ? high.RID_PASID.get(upperLo) : 0
    // 2^(PDTS + 7) directory entries of 64 PASIDs each.
    words[into + PASIDS] = 1 << (low.PDTS.get(lo) + 13)
    return 0
  }

  #isBeyondWidth(hi: number): boolean {
    return hi >= 2 ** (this.#addressWidth - 32)
  }

  invalidateAll(): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) this.words[line + TAG] = 0
  }

  /** @param functionMask - FM: how many of the lower function number bits are not compared, from bit 2 down */
  invalidateDevice(requester: RequesterId, functionMask: number): void {
    const compared = ~[0, 4, 6, 7][functionMask & 3]! & 0xffff
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      const cached = this.words[line + TAG]!
      if (cached !== 0 && ((cached ^ requester) & compared) === 0) this.words[line + TAG] = 0
    }
  }
}
