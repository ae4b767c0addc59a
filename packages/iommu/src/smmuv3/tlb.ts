import { KEY, STRIDE, TranslationCache, WAYS } from '../translation-cache.ts'

/** Words of an entry, beside its KEY. */
const PAGE = 0
const CONTEXT = 2
export const OUT_LO = 3
export const OUT_HI = 4
export const META = 5

/** META: what both stages grant together, and what each grants for itself. */
export const META_RIGHTS = 0b11
export const META_LOG2_SHIFT = 2
export const META_LOG2 = 0x3f
export const META_STAGE_1_SHIFT = 8
/** The page belongs to every ASID. */
export const META_GLOBAL = 1 << 10

/** KEY: the page's bits above PAGE in 19:0, its log2 size, whether stage 1 took part, and that there is an entry. */
const SIZE_SHIFT = 20
const SIZE_MASK = 0x3f
export const STAGE_2_ONLY = 1 << 26
const VALID = 1 << 27
const LOG2_4K = 12
/** log2 of every size that blocks and pages of the three granules have, but 4 KiB. */
const OTHER_SIZES = [14, 16, 21, 25, 29, 30] as const
const MOST_LOG2 = 64
const ALL_ASIDS = -1

/**
 * The TLB, tagged by ASID, VMID and stage. META and output of entry n stand at n * 8.
 *
 * `context` is `ASID | VMID << 16` throughout, and `stage` is 0 or STAGE_2_ONLY, for entries that no stage 1 made and
 * that so have no ASID.
 */
export class Tlb extends TranslationCache {
  /** By log2 of the size. */
  readonly #usedOf = new Int32Array(MOST_LOG2)
  #used4k = 0
  #usedOther = 0
  #globals = 0

  override get used(): number {
    return this.#used4k + this.#usedOther
  }

  /** Offset of the entry's words, or -1. */
  find(context: number, stage: number, hi: number, lo: number): number {
    const page = (lo >>> 12) | (hi << 20)
    const key = (hi >>> 12) | stage | VALID
    if (this.#used4k !== 0) {
      const at = this.#probe(page, key | (LOG2_4K << SIZE_SHIFT), context, page)
      if (at >= 0) return at
    }
    return this.#usedOther === 0 ? -1 : this.#findOther(page, key, context)
  }

  #findOther(page: number, key: number, context: number): number {
    for (let size = 0; size < OTHER_SIZES.length; size++) {
      const log2Size = OTHER_SIZES[size]!
      if (this.#usedOf[log2Size] === 0) continue
      const shift = log2Size - LOG2_4K
      const at = this.#probe(page & (-1 << shift), key | (log2Size << SIZE_SHIFT), context, page >>> shift)
      if (at >= 0) return at
    }
    return -1
  }

  #probe(page: number, key: number, context: number, number: number): number {
    const words = this.words
    let at = ((number + context) & this.setMask) * (WAYS * STRIDE)
    for (let way = 0; way < WAYS; way++, at += STRIDE) {
      if (words[at + PAGE] === page && words[at + KEY] === key && words[at + CONTEXT] === context) return at
    }
    return -1
  }

  /** Puts a translation in. Answers the offset of its words, or -1 where there is no cache. */
  insert(
    context: number,
    stage: number,
    hi: number,
    lo: number,
    outHi: number,
    outLo: number,
    log2Size: number,
    meta: number,
  ): number {
    if (this.words.length === 0) return -1
    const number = (lo >>> 12) | (hi << 20)
    const shift = log2Size - LOG2_4K
    const at = this.makeRoom((number >>> shift) + context)
    const words = this.words
    words[at + PAGE] = number & (-1 << shift)
    words[at + KEY] = (hi >>> 12) | stage | (log2Size << SIZE_SHIFT) | VALID
    words[at + CONTEXT] = context
    words[at + OUT_LO] = outLo
    words[at + OUT_HI] = outHi
    words[at + META] = meta | (log2Size << META_LOG2_SHIFT)
    this.#count(log2Size, meta, 1)
    return at
  }

  #count(log2Size: number, meta: number, by: number): void {
    if (log2Size === LOG2_4K) this.#used4k += by
    else {
      this.#usedOther += by
      this.#usedOf[log2Size] = this.#usedOf[log2Size]! + by
    }
    if ((meta & META_GLOBAL) !== 0) this.#globals += by
  }

  protected override uncount(at: number): void {
    this.#count((this.words[at + KEY]! >>> SIZE_SHIFT) & SIZE_MASK, this.words[at + META]!, -1)
  }

  /** All that a virtual machine's stage 1 took part in; and what its stage 2 made alone, if that is asked for. */
  invalidateVmid(vmid: number, stage2Too: boolean): void {
    this.dropWhere((at, key) => {
      const sameVmid = this.words[at + CONTEXT]! >>> 16 === vmid
      return sameVmid && (stage2Too || (key & STAGE_2_ONLY) === 0)
    })
  }

  /** What stage 1 made for an ASID, but for what belongs to all of them. */
  invalidateAsid(context: number): void {
    this.dropWhere(
      (at, key) =>
        this.words[at + CONTEXT] === context &&
        (key & STAGE_2_ONLY) === 0 &&
        (this.words[at + META]! & META_GLOBAL) === 0,
    )
  }

  /**
   * Drops whatever overlaps the pages of 4 KiB from `first` on, counted over 52 bits.
   *
   * @param asid - -1 for all
   */
  invalidatePages(vmid: number, asid: number, stage: number, first: number, pages: number): void {
    if (this.used === 0) return
    if (pages === 1 && asid !== ALL_ASIDS && this.#globals === 0) {
      const context = asid | (vmid << 16)
      const hi = Math.floor(first / 0x10_0000)
      const lo = (first % 0x10_0000) << 12
      for (let at = this.find(context, stage, hi, lo); at >= 0; at = this.find(context, stage, hi, lo)) this.drop(at)
      return
    }
    const last = first + pages - 1
    this.dropWhere((at, key) => {
      const context = this.words[at + CONTEXT]!
      if (context >>> 16 !== vmid || (key & STAGE_2_ONLY) !== stage) return false
      const global = (this.words[at + META]! & META_GLOBAL) !== 0
      if (asid !== ALL_ASIDS && stage === 0 && !global && (context & 0xffff) !== asid) return false
      const start = (key & 0xf_ffff) * 0x1_0000_0000 + (this.words[at + PAGE]! >>> 0)
      const end = start + 2 ** (((key >>> SIZE_SHIFT) & SIZE_MASK) - LOG2_4K) - 1
      return start <= last && end >= first
    })
  }
}
