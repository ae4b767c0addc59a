import { KEY, STRIDE, TranslationCache, WAYS } from '../translation-cache.ts'

/** Words of an entry, beside its KEY, which is the page’s size as log2. */
const PAGE = 0
export const OUT_LO = 2
export const OUT_HI = 3
export const RIGHTS = 4

const SMALL = 13
const LARGE = 16

/**
 * The IOTLB, by page of the bus address.
 *
 * DEVIATION: any of four entries can hold a page, where the hardware takes any of the sixteen.
 */
export class Iotlb extends TranslationCache {
  #used = 0

  override get used(): number {
    return this.#used
  }

  /** Offset of the words of a page’s entry, or -1. */
  find(lo: number): number {
    if (this.#used === 0) return -1
    const small = this.#probe(lo >>> SMALL, SMALL)
    return small >= 0 ? small : this.#probe(lo >>> LARGE, LARGE)
  }

  #probe(page: number, key: number): number {
    const words = this.words
    let at = (page & this.setMask) * (WAYS * STRIDE)
    for (let way = 0; way < WAYS; way++, at += STRIDE) {
      if (words[at + PAGE] === page && words[at + KEY] === key) return at
    }
    return -1
  }

  /** Puts a page in. Answers the offset of its words, or -1 where nothing is kept. */
  insert(lo: number, log2Size: number, outHi: number, outLo: number, rights: number): number {
    if (this.words.length === 0) return -1
    const page = lo >>> log2Size
    const at = this.makeRoom(page)
    const words = this.words
    words[at + PAGE] = page
    words[at + KEY] = log2Size
    words[at + OUT_LO] = outLo
    words[at + OUT_HI] = outHi
    words[at + RIGHTS] = rights
    this.#used++
    return at
  }

  /** Forgets the page that holds an address. */
  flush(lo: number): void {
    for (let at = this.find(lo); at >= 0; at = this.find(lo)) this.drop(at)
  }

  /** The page that an entry holds; null where it holds none. */
  pageOf(entry: number): {
    readonly page: number
    readonly log2Size: number
    readonly hi: number
    readonly lo: number
    readonly rights: number
  } | null {
    const at = entry * STRIDE
    const log2Size = this.words[at + KEY] ?? 0
    if (log2Size === 0) return null
    const word = (index: number): number => this.words[at + index]! >>> 0
    return { page: word(PAGE), log2Size, hi: word(OUT_HI), lo: word(OUT_LO), rights: word(RIGHTS) }
  }

  protected override uncount(): void {
    this.#used--
  }
}
