/**
 * The order in which QEMU's object tree gives its children out: that of GLib's GHashTable, over the strings of their
 * names. QEMU lists hot-plug connectors so, and a guest sees the lists.
 *
 * Open addressing with growing steps; the first place is (hash * 11) modulo a prime below the size. The table grows
 * where no more than a seventeenth of it would be free, to the power of two above four thirds of its entries, and moves
 * them in place.
 */

/** Primes below the powers of two from 8 on. */
const PRIMES = [7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16_381, 32_749, 65_521]
const LEAST_LOG2 = 3

/** `g_str_hash`: Bernstein's, times 33. 0 and 1 mark free places. */
function hashOf(name: string): number {
  let hash = 5381
  for (let at = 0; at < name.length; at++) hash = (Math.imul(hash, 33) + name.charCodeAt(at)) >>> 0
  return Math.max(hash, 2)
}

class HashTable {
  #names: (string | null)[] = new Array<string | null>(8).fill(null)
  #log2 = LEAST_LOG2
  #count = 0

  insert(name: string): void {
    let at = this.#first(name)
    for (let step = 1; this.#names[at] !== null; step++) at = (at + step) & (this.#names.length - 1)
    this.#names[at] = name
    this.#count++
    if (this.#names.length <= this.#count + Math.floor(this.#count / 16)) this.#grow()
  }

  #first(name: string): number {
    return (Math.imul(hashOf(name), 11) >>> 0) % PRIMES[this.#log2 - LEAST_LOG2]!
  }

  #grow(): void {
    const before = this.#names.length
    this.#log2 = Math.max(32 - Math.clz32(Math.floor(this.#count * 1.333)), LEAST_LOG2)
    const size = 2 ** this.#log2
    const names = this.#names
    while (names.length < size) names.push(null)
    const moved = new Uint8Array(size)
    for (let from = 0; from < before; from++) {
      if (names[from] === null || moved[from] === 1) continue
      let carried = names[from]!
      names[from] = null
      for (;;) {
        let at = this.#first(carried)
        for (let step = 1; moved[at] === 1; step++) at = (at + step) & (size - 1)
        moved[at] = 1
        const displaced: string | null = names[at]!
        names[at] = carried
        if (displaced === null) break
        carried = displaced
      }
    }
  }

  get order(): string[] {
    return this.#names.filter((name) => name !== null)
  }
}

/** These names, put in one after the other, in the order of the table. At most some 60,000, each once. */
export function hashOrder(names: Iterable<string>): string[] {
  const table = new HashTable()
  for (const name of names) table.insert(name)
  return table.order
}
