/** Words of an entry, and entries of a set. */
export const STRIDE = 8
export const WAYS = 4
/** The word of an entry that is 0 where there is none. */
export const KEY = 1
/** The word in which an entry's hash stands, which is this class's own. */
const HASH = 7
/** Entries at first: most machines translate a few pages, and are made and dropped by the thousand. */
const FIRST_ENTRIES = 64

/**
 * What IOTLBs have in common: four ways, their epochs, and how entries go. What tags an entry, and how one is found,
 * stands in each. Entry `n`'s epoch is `epochs[n]`: it changes when the entry is invalidated, makes room for another, or
 * moves. The last word of `epochs` is for what is not an entry of this cache.
 *
 * The store grows to its full size as entries need it, before the first one has to go.
 */
export abstract class TranslationCache {
  readonly epochs: Uint32Array
  /** Of entry n, from n * STRIDE on. Another array after `makeRoom`, if the store has grown. */
  words: Int32Array
  protected setMask: number
  readonly #entries: number
  #victim = 0

  /** @param entries - 0, or a power of two from 16 on */
  constructor(entries: number) {
    const first = Math.min(entries, FIRST_ENTRIES)
    this.#entries = entries
    this.setMask = first / WAYS - 1
    this.words = new Int32Array(first * STRIDE)
    this.epochs = new Uint32Array(entries + 1)
  }

  /** Entries in use. */
  abstract get used(): number

  /** Counts an entry out that is about to go; its words still stand. */
  protected abstract uncount(at: number): void

  /** Offset of an entry that is free in the set where `hash` leads, one of the old ones if need be; its KEY is to be set. */
  protected makeRoom(hash: number): number {
    let at = this.#free(hash)
    while (at < 0 && this.words.length < this.#entries * STRIDE) {
      this.#grow()
      at = this.#free(hash)
    }
    if (at < 0) {
      at = (hash & this.setMask) * (WAYS * STRIDE) + this.#victim * STRIDE
      this.#victim = (this.#victim + 1) & (WAYS - 1)
      this.drop(at)
    }
    this.words[at + HASH] = hash
    return at
  }

  /** Offset of an entry that is free in the set where `hash` leads; -1 where there is none. */
  #free(hash: number): number {
    const words = this.words
    let at = (hash & this.setMask) * (WAYS * STRIDE)
    for (let way = 0; way < WAYS; way++, at += STRIDE) if (words[at + KEY] === 0) return at
    return -1
  }

  /** Up to four times as many sets: those that one set becomes have room for all that it held. */
  #grow(): void {
    const old = this.words
    this.words = new Int32Array(Math.min(4 * old.length, this.#entries * STRIDE))
    this.setMask = this.words.length / (WAYS * STRIDE) - 1
    for (let from = 0; from < old.length; from += STRIDE) {
      if (old[from + KEY] === 0) continue
      const to = this.#free(old[from + HASH]!)
      for (let word = 0; word < STRIDE; word++) this.words[to + word] = old[from + word]!
    }
    this.endCopies()
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
