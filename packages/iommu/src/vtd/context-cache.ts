import type { GuestRam } from '@dmascope/memory'
import type { RequesterId } from '../translator.ts'
import type { VtdFeatures } from './options.ts'
import { FAULT_REASONS } from './spec/faults.ts'
import { CONTEXT_ENTRY, CONTEXT_ENTRY_HIGH, CONTEXT_ENTRY_LOW, ROOT_ENTRY, TRANSLATION_TYPE } from './spec/tables.ts'

const LINES = 256
const STRIDE = 8
/** Words of a line. TAG is 0, or the requester with VALID. */
const TAG = 0
export const TYPE = 1
export const DOMAIN = 2
/** Page number of the top table; a page that no memory has stands for all that lie beyond 31 bits. */
export const TABLE = 3
/** 0, or the fault that the entry makes of every request. */
export const REASON = 4
/** Levels of the tables in bits 3:0; FPD above. */
export const LEVELS = 5
export const FAULTS_DISABLED = 0x10
const VALID = 0x1_0000
const NO_PAGE = 0x7fff_ffff

const P = 1
const { TT, FPD } = CONTEXT_ENTRY_LOW.fields
const { DID, AW } = CONTEXT_ENTRY_HIGH.fields
const LOW_RESERVED = 0xff0
const HIGH_RESERVED_LO = ~(DID.loMask | AW.loMask | CONTEXT_ENTRY_HIGH.fields.AVAIL.loMask) | 0
const ROOT_LOW_RESERVED = 0xffe

/** The context-cache: what root and context entries say of a requester, kept until it is invalidated. */
export class ContextCache {
  /** Read with the constants above, at the offset that `find` answers. */
  readonly words = new Int32Array((LINES + 1) * STRIDE)
  readonly #ram: GuestRam
  readonly #cachingMode: boolean
  readonly #deviceIotlb: boolean
  readonly #passThrough: boolean
  readonly #deepest: number
  readonly #addressWidth: number
  #root = 0

  constructor(ram: GuestRam, features: VtdFeatures) {
    this.#ram = ram
    this.#cachingMode = features.cachingMode
    this.#deviceIotlb = features.deviceIotlb
    this.#passThrough = features.passThrough
    this.#addressWidth = features.addressWidth
    this.#deepest = features.dmaTranslation ? (features.addressWidth - 12) / 9 : 0
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
    words[scratch + REASON] = reason
    // What is not present or faulty is cached in caching mode only, and then under domain 0 (§6.1).
    if (reason !== 0) {
      if (!this.#cachingMode) return scratch
      words[scratch + DOMAIN] = 0
    }
    words[scratch + TAG] = requester | VALID
    words.copyWithin(line, scratch, scratch + STRIDE)
    return line
  }

  #read(requester: RequesterId, into: number): number {
    const ram = this.#ram
    const root = ram.offsetToRead(this.#root + (requester >>> 8) * ROOT_ENTRY.size)
    if (root < 0) return FAULT_REASONS.rootEntryAccess.value
    const rootLo = ROOT_ENTRY.fields.low.lo.get(ram.view, root)
    const rootHi = ROOT_ENTRY.fields.low.hi.get(ram.view, root)
    if ((rootLo & P) === 0) return FAULT_REASONS.rootNotPresent.value
    const rootRest = ROOT_ENTRY.fields.high.lo.get(ram.view, root) | ROOT_ENTRY.fields.high.hi.get(ram.view, root)
    if ((rootLo & ROOT_LOW_RESERVED) !== 0 || this.#isBeyondWidth(rootHi) || rootRest !== 0) {
      return FAULT_REASONS.rootReserved.value
    }
    const table = rootHi * 0x1_0000_0000 + ((rootLo & -4096) >>> 0)
    const entry = ram.offsetToRead(table + (requester & 0xff) * CONTEXT_ENTRY.size)
    if (entry < 0) return FAULT_REASONS.contextEntryAccess.value
    return this.#decode(entry, into)
  }

  #decode(entry: number, into: number): number {
    const { view } = this.#ram
    const words = this.words
    const lo = CONTEXT_ENTRY.fields.low.lo.get(view, entry)
    const hi = CONTEXT_ENTRY.fields.low.hi.get(view, entry)
    const upperLo = CONTEXT_ENTRY.fields.high.lo.get(view, entry)
    const upperHi = CONTEXT_ENTRY.fields.high.hi.get(view, entry)
    const disabled = (lo & FPD.loMask) !== 0 ? FAULTS_DISABLED : 0
    words[into + LEVELS] = disabled
    if ((lo & P) === 0) return FAULT_REASONS.contextNotPresent.value
    const reserved = (lo & LOW_RESERVED) | (upperLo & HIGH_RESERVED_LO) | upperHi
    if (reserved !== 0 || this.#isBeyondWidth(hi)) return FAULT_REASONS.contextReserved.value
    const levels = AW.get(upperLo) + 2
    const type = TT.get(lo)
    if (levels < 3 || levels > this.#deepest) return FAULT_REASONS.contextInvalid.value
    const allowed =
      type === TRANSLATION_TYPE.untranslatedOnly ||
      (type === TRANSLATION_TYPE.deviceTlb && this.#deviceIotlb) ||
      (type === TRANSLATION_TYPE.passThrough && this.#passThrough)
    if (!allowed) return FAULT_REASONS.contextInvalid.value
    words[into + TYPE] = type
    words[into + DOMAIN] = DID.get(upperLo)
    words[into + TABLE] = hi >= 0x800 ? NO_PAGE : (lo >>> 12) | (hi << 20)
    words[into + LEVELS] = levels | disabled
    return 0
  }

  #isBeyondWidth(hi: number): boolean {
    return hi >= 2 ** (this.#addressWidth - 32)
  }

  invalidateAll(): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) this.words[line + TAG] = 0
  }

  invalidateDomain(domain: number): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      if (this.words[line + DOMAIN] === domain) this.words[line + TAG] = 0
    }
  }

  /** @param functionMask - FM: how many of the lower function number bits are not compared, from bit 2 down */
  invalidateDevice(domain: number, requester: RequesterId, functionMask: number): void {
    const compared = ~[0, 4, 6, 7][functionMask & 3]! & 0xffff
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      const cached = this.words[line + TAG]!
      // Faulty entries are cached under domain 0 and answer to any domain's invalidation of their requester.
      const sameDomain = this.words[line + DOMAIN] === domain || this.words[line + REASON] !== 0
      if (cached !== 0 && ((cached ^ requester) & compared) === 0 && sameDomain) this.words[line + TAG] = 0
    }
  }
}
