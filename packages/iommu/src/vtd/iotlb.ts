import { KEY, STRIDE, TranslationCache, WAYS } from '../translation-cache.ts'

/** Words of an entry, beside its KEY. */
const PAGE = 0
export const OUT_LO = 2
export const OUT_HI = 3
export const META = 4
const SPACE = 5

/** The address space within a domain: this one for second-stage mappings, which all of it share; else PASID + 1. */
export const SECOND_STAGE_SPACE = 0

/** META: what the page grants, its size, the fault that is cached in its place, and marks. */
export const META_RIGHTS = 0b11
export const META_LOG2_SHIFT = 2
export const META_LOG2 = 0x3f
export const META_REASON_SHIFT = 8
export const META_REASON = 0xff
/** The output page overlaps the interrupt range, so that each address is checked. */
export const META_CHECK_OUTPUT = 1 << 16
/** A first-stage page whose D bit is clear: a write must set it first. */
export const META_CLEAN = 1 << 17

/** Page size classes, as they stand in bits 30:29 of the key. */
const CLASS_4K = 1
const CLASS_2M = 2
const CLASS_1G = 3
const CLASS_SHIFT = 29
const CLASS_MASK = 3
/** In the key of an entry that is of another space than the second stage's. */
const IN_SPACE = -0x8000_0000
const DOMAIN_SHIFT = 13

/** The IOTLB, tagged by domain, space and page. META and output of entry n stand at n * 8. */
export class Iotlb extends TranslationCache {
  #used4k = 0
  #used2m = 0
  #used1g = 0
  #usedInSpaces = 0

  override get used(): number {
    return this.#used4k + this.#used2m + this.#used1g
  }

  /** Offset of the words of a second-stage mapping, or -1. The address has 57 bits at most. */
  find(domain: number, hi: number, lo: number): number {
    const page = (lo >>> 12) | (hi << 20)
    const upper = (hi >>> 12) | (domain << DOMAIN_SHIFT)
    if (this.#used4k !== 0) {
      const at = this.#probe(page, upper | (CLASS_4K << CLASS_SHIFT), page + domain)
      if (at >= 0) return at
    }
    if (this.#used2m !== 0) {
      const at = this.#probe(page & -512, upper | (CLASS_2M << CLASS_SHIFT), (page >>> 9) + domain)
      if (at >= 0) return at
    }
    if (this.#used1g !== 0) {
      return this.#probe(page & -0x4_0000, upper | (CLASS_1G << CLASS_SHIFT), (page >>> 18) + domain)
    }
    return -1
  }

  /** The same for a mapping of any space. */
  findIn(domain: number, space: number, hi: number, lo: number): number {
    if (space === SECOND_STAGE_SPACE) return this.find(domain, hi, lo)
    if (this.#usedInSpaces === 0) return -1
    const page = (lo >>> 12) | (hi << 20)
    const upper = (hi >>> 12) | (domain << DOMAIN_SHIFT) | IN_SPACE
    for (let pageClass = CLASS_4K; pageClass <= CLASS_1G; pageClass++) {
      const shift = (pageClass - 1) * 9
      const key = upper | (pageClass << CLASS_SHIFT)
      let at = (((page >>> shift) + domain) & this.setMask) * (WAYS * STRIDE)
      for (let way = 0; way < WAYS; way++, at += STRIDE) {
        const same = this.words[at + PAGE] === (page & (-1 << shift)) && this.words[at + KEY] === key
        if (same && this.words[at + SPACE] === space) return at
      }
    }
    return -1
  }

  #probe(page: number, key: number, hash: number): number {
    const words = this.words
    let at = (hash & this.setMask) * (WAYS * STRIDE)
    for (let way = 0; way < WAYS; way++, at += STRIDE) {
      if (words[at + PAGE] === page && words[at + KEY] === key) return at
    }
    return -1
  }

  /**
   * Puts a translation in. `log2Size` is 12, 21 or 30. Answers the offset of its words, or -1 where there is no cache.
   */
  insert(
    domain: number,
    space: number,
    hi: number,
    lo: number,
    outHi: number,
    outLo: number,
    log2Size: number,
    meta: number,
  ): number {
    if (this.words.length === 0) return -1
    const number = (lo >>> 12) | (hi << 20)
    const shift = log2Size - 12
    const pageClass = log2Size === 12 ? CLASS_4K : log2Size === 21 ? CLASS_2M : CLASS_1G
    const at = this.makeRoom((number >>> shift) + domain)
    const words = this.words
    const mark = space === SECOND_STAGE_SPACE ? 0 : IN_SPACE
    if (mark !== 0) this.#usedInSpaces++
    words[at + SPACE] = space
    words[at + PAGE] = number & (-1 << shift)
    words[at + KEY] = (hi >>> 12) | (domain << DOMAIN_SHIFT) | (pageClass << CLASS_SHIFT) | mark
    words[at + OUT_LO] = outLo
    words[at + OUT_HI] = outHi
    words[at + META] = meta | (log2Size << META_LOG2_SHIFT)
    this.#count(pageClass, 1)
    return at
  }

  #count(pageClass: number, by: number): void {
    if (pageClass === CLASS_4K) this.#used4k += by
    else if (pageClass === CLASS_2M) this.#used2m += by
    else this.#used1g += by
  }

  protected override uncount(at: number): void {
    const key = this.words[at + KEY]!
    if (key < 0) this.#usedInSpaces--
    this.#count((key >>> CLASS_SHIFT) & CLASS_MASK, -1)
  }

  invalidateDomain(domain: number): void {
    this.dropWhere((_at, key) => ((key >>> DOMAIN_SHIFT) & 0xffff) === domain)
  }

  /** Drops what the spaces of a domain have, but for the second stage's; or what one of them has. */
  invalidateSpaces(domain: number, space?: number): void {
    if (this.#usedInSpaces === 0) return
    this.dropWhere(
      (at, key) =>
        key < 0 &&
        ((key >>> DOMAIN_SHIFT) & 0xffff) === domain &&
        (space === undefined || this.words[at + SPACE] === space),
    )
  }

  /** Drops whatever overlaps the aligned 2^log2Pages pages of 4 KiB around the address, in one space of a domain. */
  invalidatePages(domain: number, space: number, hi: number, lo: number, log2Pages: number): void {
    if (this.used === 0) return
    if (log2Pages === 0) {
      for (let at = this.findIn(domain, space, hi, lo); at >= 0; at = this.findIn(domain, space, hi, lo)) this.drop(at)
      return
    }
    const upper = hi >>> 12
    const page = (lo >>> 12) | (hi << 20)
    this.dropWhere((at, key) => {
      if (((key >>> DOMAIN_SHIFT) & 0xffff) !== domain || (key & 0x1fff) !== upper) return false
      if (this.words[at + SPACE] !== space) return false
      const shift = Math.max(log2Pages, (((key >>> CLASS_SHIFT) & CLASS_MASK) - 1) * 9)
      return ((this.words[at + PAGE]! ^ page) & (-1 << shift)) === 0
    })
  }
}
