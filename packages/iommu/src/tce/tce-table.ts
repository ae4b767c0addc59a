const LEAF_LOG2 = 10
const MIDDLE_LOG2 = 11
const LEAF_ENTRIES = 1 << LEAF_LOG2
const MIDDLE_LEAVES = 1 << MIDDLE_LOG2
const TOP = 1 << (32 - LEAF_LOG2 - MIDDLE_LOG2)
/** Leaves of 8 KiB that one table may fill: 32 MiB, for four million entries that are not zero. */
const MOST_LEAVES = 4096

/** What no entry was ever put into. */
const EMPTY_LEAF = new Uint32Array(LEAF_ENTRIES * 2)
const EMPTY_MIDDLE: readonly Uint32Array[] = new Array<Uint32Array>(MIDDLE_LEAVES).fill(EMPTY_LEAF)

/**
 * The entries of one TCE table, which the hypervisor keeps outside of the partition's memory. Backed where one is not
 * zero, so that a window costs what is mapped in it, however large the guest asked for.
 */
export class TceTable {
  /** Entries, below 2^32. */
  readonly entries: number
  readonly #top: Uint32Array[][]
  #leaves = 0

  constructor(entries: number) {
    this.entries = entries
    const middles = Math.ceil(entries / (LEAF_ENTRIES * MIDDLE_LEAVES))
    this.#top = new Array<Uint32Array[]>(Math.min(middles, TOP)).fill(EMPTY_MIDDLE as Uint32Array[])
  }

  /** The words around an entry: its lower half stands at `(index & 1023) * 2`, its upper behind it. `index` must be in. */
  leafOf(index: number): Uint32Array {
    return this.#top[index >>> (LEAF_LOG2 + MIDDLE_LOG2)]![(index >>> LEAF_LOG2) & (MIDDLE_LEAVES - 1)]!
  }

  /**
   * Puts one value into `count` entries from `first` on, which must all be in.
   *
   * @returns entries that were written: fewer than `count` where there is no more room to keep them
   */
  fill(first: number, count: number, hi: number, lo: number): number {
    const zero = (hi | lo) === 0
    for (let done = 0; done < count; ) {
      const index = first + done
      const middle = index >>> (LEAF_LOG2 + MIDDLE_LOG2)
      if (zero && this.#top[middle] === EMPTY_MIDDLE) {
        done += LEAF_ENTRIES * MIDDLE_LEAVES - (index % (LEAF_ENTRIES * MIDDLE_LEAVES))
        continue
      }
      const at = index & (LEAF_ENTRIES - 1)
      const run = Math.min(count - done, LEAF_ENTRIES - at)
      let leaf = this.leafOf(index)
      if (leaf === EMPTY_LEAF && !zero) {
        if (this.#leaves >= MOST_LEAVES) return done
        leaf = this.#back(index)
      }
      if (leaf !== EMPTY_LEAF) {
        for (let word = at * 2; word < (at + run) * 2; word += 2) {
          leaf[word] = lo
          leaf[word + 1] = hi
        }
      }
      done += run
    }
    return count
  }

  #back(index: number): Uint32Array {
    const top = index >>> (LEAF_LOG2 + MIDDLE_LOG2)
    let middle = this.#top[top]!
    if (middle === EMPTY_MIDDLE) {
      middle = [...EMPTY_MIDDLE]
      this.#top[top] = middle
    }
    const leaf = new Uint32Array(LEAF_ENTRIES * 2)
    middle[(index >>> LEAF_LOG2) & (MIDDLE_LEAVES - 1)] = leaf
    this.#leaves++
    return leaf
  }
}
