/** Words of an entry, and entries of a set. */
export const STRIDE = 8
export const WAYS = 4
/** The word of an entry that is 0 where there is none. */
export const KEY = 1

/**
 * What IOTLBs have in common: four ways, their epochs, and how entries go. What tags an entry, and how one is found,
 * stands in each. Entry `n`'s epoch is `epochs[n]`: it changes when the entry is invalidated or makes room for another.
 * The last word of `epochs` is for what is not an entry of this cache.
 */
export abstract class TranslationCache {
  readonly epochs: Uint32Array
  /** Of entry n, from n * STRIDE on. */
  readonly words: Int32Array
  protected readonly setMask: number
  #victim = 0

  /** @param entries - 0, or a power of two from 16 on */
  constructor(entries: number) {
    this.setMask = entries / WAYS - 1
    this.words = new Int32Array(entries * STRIDE)
    this.epochs = new Uint32Array(entries + 1)
  }

  /** Entries in use. */
  abstract get used(): number

  /** Counts an entry out that is about to go; its words still stand. */
  protected abstract uncount(at: number): void

  /** Offset of an entry that is free in the set where `hash` leads, one of the old ones if need be; its KEY is to be set. */
  protected makeRoom(hash: number): number {
    const words = this.words
    const set = (hash & this.setMask) * (WAYS * STRIDE)
    for (let way = 0; way < WAYS; way++) {
      if (words[set + way * STRIDE + KEY] === 0) return set + way * STRIDE
    }
    const at = set + this.#victim * STRIDE
    this.#victim = (this.#victim + 1) & (WAYS - 1)
    this.drop(at)
    return at
  }

  /** Drops the entry whose words stand there. */
  drop(at: number): void {
    const entry = at / STRIDE
    this.epochs[entry] = this.epochs[entry]! + 1
    this.uncount(at)
    this.words[at + KEY] = 0
  }

  /** Drops the entries of which this is so. */
  protected dropWhere(matches: (at: number, key: number) => boolean): void {
    if (this.used === 0) return
    for (let at = 0; at < this.words.length; at += STRIDE) {
      const key = this.words[at + KEY]!
      if (key !== 0 && matches(at, key)) this.drop(at)
    }
  }

  invalidateAll(): void {
    this.dropWhere(() => true)
  }

  /** Ends every copy that was made of anything, though the entries themselves stay. */
  endCopies(): void {
    for (let entry = 0; entry < this.epochs.length; entry++) this.epochs[entry] = this.epochs[entry]! + 1
  }
}
