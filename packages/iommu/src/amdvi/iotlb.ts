import { KEY, STRIDE, TranslationCache, WAYS } from '../translation-cache.ts'

/** Words of an entry: address bits 43:12 and 63:44. KEY has domain and class. */
const PAGE = 0
const UPPER = 2
export const OUT_LO = 3
export const OUT_HI = 4
export const META = 5

/** META: what the page grants, its size, the fault that is cached in its place, and the size of the entry's class. */
export const META_RIGHTS = 0b11
export const META_LOG2_SHIFT = 2
export const META_LOG2 = 0x3f
export const META_REASON_SHIFT = 8
export const META_REASON = 0xff
export const META_CLASS_SHIFT = 16

/** An entry stands for 4 KiB, 2 MiB or 1 GiB, of a page that is at least as large; in bits 17:16 of its key. */
const CLASS_4K = 1
const CLASS_2M = 2
const CLASS_1G = 3
const CLASS_SHIFT = 16

/**
 * The IOTLB, tagged by domain and page. Pages may have any power of two in size: one between the classes takes entries
 * of the class below. META and output of entry n stand at n * 8.
 */
export class Iotlb extends TranslationCache {
  #used4k = 0
  #used2m = 0
  #used1g = 0

  override get used(): number {
    return this.#used4k + this.#used2m + this.#used1g
  }

  /** Offset of the entry's words, or -1. */
  find(domain: number, hi: number, lo: number): number {
    const page = (lo >>> 12) | (hi << 20)
    const upper = hi >>> 12
    if (this.#used4k !== 0) {
      const at = this.#probe(page, upper, domain | (CLASS_4K << CLASS_SHIFT), page + domain)
      if (at >= 0) return at
    }
    if (this.#used2m !== 0) {
      const at = this.#probe(page & -512, upper, domain | (CLASS_2M << CLASS_SHIFT), (page >>> 9) + domain)
      if (at >= 0) return at
    }
    if (this.#used1g !== 0) {
      return this.#probe(page & -0x4_0000, upper, domain | (CLASS_1G << CLASS_SHIFT), (page >>> 18) + domain)
    }
    return -1
  }

  #probe(page: number, upper: number, key: number, hash: number): number {
    const words = this.words
    let at = (hash & this.setMask) * (WAYS * STRIDE)
    for (let way = 0; way < WAYS; way++, at += STRIDE) {
      if (words[at + PAGE] === page && words[at + KEY] === key && words[at + UPPER] === upper) return at
    }
    return -1
  }

  /**
   * Puts a translation in: the output of the address itself, in a page of 2^log2Size bytes. Answers the offset of its
   * words, or -1 where there is no cache.
   */
  insert(domain: number, hi: number, lo: number, outHi: number, outLo: number, log2Size: number, meta: number): number {
    if (this.words.length === 0) return -1
    const number = (lo >>> 12) | (hi << 20)
    const pageClass = log2Size < 21 ? CLASS_4K : log2Size < 30 ? CLASS_2M : CLASS_1G
    const classLog2 = pageClass * 9 + 3
    const shift = classLog2 - 12
    const at = this.makeRoom((number >>> shift) + domain)
    const words = this.words
    words[at + PAGE] = number & (-1 << shift)
    words[at + UPPER] = hi >>> 12
    words[at + KEY] = domain | (pageClass << CLASS_SHIFT)
    words[at + OUT_LO] = outLo & (-1 << classLog2)
    words[at + OUT_HI] = outHi
    words[at + META] = meta | (log2Size << META_LOG2_SHIFT) | (classLog2 << META_CLASS_SHIFT)
    this.#count(pageClass, 1)
    return at
  }

  #count(pageClass: number, by: number): void {
    if (pageClass === CLASS_4K) this.#used4k += by
    else if (pageClass === CLASS_2M) this.#used2m += by
    else this.#used1g += by
  }

  protected override uncount(at: number): void {
    this.#count(this.words[at + KEY]! >>> CLASS_SHIFT, -1)
  }

  invalidateDomain(domain: number): void {
    this.dropWhere((_at, key) => (key & 0xffff) === domain)
  }

  /** Drops whatever overlaps the aligned 2^log2Size bytes around the address: every entry of a page that does. */
  invalidateRange(domain: number, hi: number, lo: number, log2Size: number): void {
    const page = (lo >>> 12) | (hi << 20)
    const upper = hi >>> 12
    this.dropWhere((at, key) => {
      if ((key & 0xffff) !== domain) return false
      const shift = Math.max(log2Size, (this.words[at + META]! >>> META_LOG2_SHIFT) & META_LOG2) - 12
      const upperDiffers =
        shift >= 32 ? (this.words[at + UPPER]! ^ upper) >>> (shift - 32) : this.words[at + UPPER]! ^ upper
      const pageDiffers = shift >= 32 ? 0 : (this.words[at + PAGE]! ^ page) >>> shift
      return (upperDiffers | pageDiffers) === 0
    })
  }
}
