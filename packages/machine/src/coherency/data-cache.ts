import type { MemoryAccess } from './memory-access.ts'

/** A cache's shape. A line's set is its address over `lineBytes`, modulo `sets`. All are powers of two. */
export interface CacheGeometry {
  readonly sets: number
  readonly ways: number
  readonly lineBytes: number
}

const MOST_BYTES = 0x100_0000
const NO_LINE = -1

const isPowerOfTwo = (value: number): boolean => Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0

/**
 * A write-back, write-allocate data cache that nothing snoops. A line is known by its virtual address, and remembers
 * the physical one that it belongs to: a cache in which the two are the same is a physical one, and in one where they
 * are not, memory that is mapped twice is held twice.
 *
 * Replacement is least recently used. A line comes in when it is accessed, or, in a cache that speculates, behind one
 * that was missed; it goes when another takes its place, or when software says so.
 */
export class DataCache {
  readonly geometry: CacheGeometry
  readonly #memory: MemoryAccess
  readonly #speculativeLines: number
  readonly #virtual: Float64Array
  readonly #physical: Float64Array
  readonly #dirty: Uint8Array
  readonly #usedAt: Float64Array
  readonly #data: Uint8Array
  #clock = 0

  /**
   * @param speculativeLines - fetched behind each line that was missed, over ends of pages too, as where the processor
   * maps memory without pages; none unless given
   * @throws RangeError for a shape that is none, or of more than 16 MiB, or where there are no sets for so many lines
   */
  constructor(geometry: CacheGeometry, memory: MemoryAccess, speculativeLines = 0) {
    const { sets, ways, lineBytes } = geometry
    const bytes = sets * ways * lineBytes
    if (![sets, ways, lineBytes].every(isPowerOfTwo) || lineBytes > 4096 || bytes > MOST_BYTES) {
      throw new RangeError(
        `a cache of ${sets} sets, ${ways} ways, lines of ${lineBytes} bytes: powers of two are needed`,
      )
    }
    if (!(speculativeLines >= 0 && speculativeLines < sets)) {
      throw new RangeError(`${speculativeLines} lines ahead in a cache of ${sets} sets: fewer are needed`)
    }
    this.geometry = geometry
    this.#memory = memory
    this.#speculativeLines = speculativeLines
    this.#virtual = new Float64Array(sets * ways).fill(NO_LINE)
    this.#physical = new Float64Array(sets * ways)
    this.#dirty = new Uint8Array(sets * ways)
    this.#usedAt = new Float64Array(sets * ways)
    this.#data = new Uint8Array(bytes)
  }

  /** Lines that hold what memory does not. */
  get dirtyLines(): number {
    return this.#dirty.reduce((sum, one) => sum + one, 0)
  }

  /** Virtual and physical address have the same offset within a page. */
  read(virtual: number, physical: number, into: Uint8Array): void {
    const { lineBytes } = this.geometry
    for (let done = 0; done < into.length; ) {
      const within = (virtual + done) % lineBytes
      const run = Math.min(lineBytes - within, into.length - done)
      const at = this.#hold(virtual + done - within, physical + done - within) * lineBytes + within
      into.set(this.#data.subarray(at, at + run), done)
      done += run
    }
  }

  write(virtual: number, physical: number, from: Uint8Array): void {
    const { lineBytes } = this.geometry
    for (let done = 0; done < from.length; ) {
      const within = (virtual + done) % lineBytes
      const run = Math.min(lineBytes - within, from.length - done)
      const slot = this.#hold(virtual + done - within, physical + done - within)
      this.#data.set(from.subarray(done, done + run), slot * lineBytes + within)
      this.#dirty[slot] = 1
      done += run
    }
  }

  /** Writes back what is dirty of these addresses, and keeps it. */
  clean(virtual: number, length: number): void {
    this.#each(virtual, length, (slot) => this.#writeBack(slot))
  }

  /**
   * Forgets these addresses. A line that they cover in part only is written back before: the rest of it is somebody
   * else's.
   */
  invalidate(virtual: number, length: number): void {
    const { lineBytes } = this.geometry
    this.#each(virtual, length, (slot, line) => {
      if (line < virtual || line + lineBytes > virtual + length) this.#writeBack(slot)
      this.#virtual[slot] = NO_LINE
      this.#dirty[slot] = 0
    })
  }

  /** The slot that holds a line, which is fetched where it is not there, with what is likely to be read next. */
  #hold(virtual: number, physical: number): number {
    const slot = this.#find(virtual)
    if (slot >= 0) {
      this.#usedAt[slot] = ++this.#clock
      return slot
    }
    const fetched = this.#fetch(virtual, physical)
    const { lineBytes } = this.geometry
    for (let line = 1; line <= this.#speculativeLines; line++) {
      const ahead = line * lineBytes
      if (this.#find(virtual + ahead) < 0) this.#fetch(virtual + ahead, physical + ahead)
    }
    return fetched
  }

  /** The slot that holds a line; -1 where none does. */
  #find(virtual: number): number {
    const { sets, ways, lineBytes } = this.geometry
    const first = ((virtual / lineBytes) % sets) * ways
    for (let slot = first; slot < first + ways; slot++) if (this.#virtual[slot] === virtual) return slot
    return -1
  }

  /** Fetches a line into the slot of its set that was used longest ago. */
  #fetch(virtual: number, physical: number): number {
    const { sets, ways, lineBytes } = this.geometry
    const first = ((virtual / lineBytes) % sets) * ways
    let victim = first
    for (let slot = first; slot < first + ways; slot++) {
      if (this.#virtual[slot] === NO_LINE) victim = slot
      else if (this.#virtual[victim] !== NO_LINE && this.#usedAt[slot]! < this.#usedAt[victim]!) victim = slot
    }
    this.#writeBack(victim)
    this.#virtual[victim] = virtual
    this.#physical[victim] = physical
    this.#usedAt[victim] = ++this.#clock
    this.#memory.readBytes(physical, this.#data.subarray(victim * lineBytes, (victim + 1) * lineBytes))
    return victim
  }

  #writeBack(slot: number): void {
    if (this.#dirty[slot] === 0) return
    const { lineBytes } = this.geometry
    this.#dirty[slot] = 0
    this.#memory.writeBytes(this.#physical[slot]!, this.#data.subarray(slot * lineBytes, (slot + 1) * lineBytes))
  }

  /** Visits what is held of a range: by address where that is short, else by going through the whole cache. */
  #each(virtual: number, length: number, visit: (slot: number, line: number) => void): void {
    if (!(length > 0)) return
    const { sets, lineBytes } = this.geometry
    const end = virtual + length
    const start = virtual - (virtual % lineBytes)
    if ((end - start) / lineBytes > sets) {
      for (let slot = 0; slot < this.#virtual.length; slot++) {
        const line = this.#virtual[slot]!
        if (line !== NO_LINE && line >= start && line < end) visit(slot, line)
      }
      return
    }
    for (let line = start; line < end; line += lineBytes) {
      const slot = this.#find(line)
      if (slot >= 0) visit(slot, line)
    }
  }
}
