import type { Direction } from './dma-ops.ts'

/** Bytes of one slot, and slots of one segment: no mapping reaches across segments (Linux's IO_TLB_SIZE, IO_TLB_SEGSIZE). */
export const SLOT_BYTES = 2048
export const SEGMENT_SLOTS = 128

/** Memory as the CPU sees it. */
export interface CpuMemory {
  readBytes(address: number, into: Uint8Array): void
  writeBytes(address: number, from: Uint8Array): void
}

export interface SwiotlbOptions {
  readonly memory: CpuMemory
  /** Where the pool begins: a CPU address, a multiple of a slot. */
  readonly start: number
  /** A multiple of `SEGMENT_SLOTS`. */
  readonly slots: number
}

/** A buffer in the pool, standing for memory elsewhere. */
export interface BouncedBuffer {
  /** CPU address in the pool; its offset in a page is the original's. */
  readonly cpu: number
  readonly original: number
  readonly length: number
  readonly direction: Direction
}

interface HeldBuffer extends BouncedBuffer {
  readonly firstSlot: number
  readonly slots: number
}

const PAGE = 4096

/**
 * Linux's software I/O TLB: a pool of memory that every device reaches, through which data are copied where the memory
 * itself is out of reach. A buffer is of whole slots within one segment, and has the original's offset within a page,
 * since devices may count on that.
 */
export class Swiotlb {
  readonly start: number
  readonly end: number
  readonly #memory: CpuMemory
  /** 1 where a slot is in use. */
  readonly #used: Uint8Array
  readonly #held = new Map<BouncedBuffer, HeldBuffer>()
  #next = 0

  /** @throws RangeError where the pool is not of whole segments, or not on a slot */
  constructor({ memory, start, slots }: SwiotlbOptions) {
    if (!Number.isInteger(slots) || slots <= 0 || slots % SEGMENT_SLOTS !== 0) {
      throw new RangeError(`a pool has a multiple of ${SEGMENT_SLOTS} slots, got ${slots}`)
    }
    if (!Number.isSafeInteger(start) || start < 0 || start % PAGE !== 0) {
      throw new RangeError(`a pool starts on a page, got 0x${start.toString(16)}`)
    }
    this.start = start
    this.end = start + slots * SLOT_BYTES
    this.#memory = memory
    this.#used = new Uint8Array(slots)
  }

  /** All of it. */
  get slots(): number {
    return this.#used.length
  }

  /** Slots in use. */
  get used(): number {
    return this.#used.reduce((sum, one) => sum + one, 0)
  }

  /** The most that one mapping can have, whatever its offset within a page. */
  static get maxMapping(): number {
    return SEGMENT_SLOTS * SLOT_BYTES - PAGE
  }

  /**
   * Takes a buffer, and copies the original into it: for a device that is to read it, and for one that is to write it
   * as well, so that bytes that it leaves alone come back as they were.
   *
   * @returns null where no run of slots is free, or the buffer is too large for any
   */
  map(original: number, length: number, direction: Direction): BouncedBuffer | null {
    const offset = original % PAGE
    // The offset within the page is kept: the buffer begins on a page, and the bytes before it are not used.
    const slots = Math.ceil((offset + length) / SLOT_BYTES)
    const first = this.#find(slots)
    if (first === null) return null
    this.#used.fill(1, first, first + slots)
    this.#next = first + slots
    const cpu = this.start + first * SLOT_BYTES + offset
    const buffer: HeldBuffer = { cpu, original, length, direction, firstSlot: first, slots }
    this.#held.set(buffer, buffer)
    this.#copy(original, cpu, length)
    return buffer
  }

  /**
   * Copies what the device wrote to where it belongs, and gives the slots back.
   *
   * @param copyBack - false for a driver that has seen to that itself
   * @throws RangeError where it is not held
   */
  unmap(buffer: BouncedBuffer, copyBack = true): void {
    const held = this.#held.get(buffer)
    if (held === undefined) throw new RangeError(`0x${buffer.cpu.toString(16)} is no buffer of this pool`)
    if (copyBack) this.syncForCpu(buffer, 0, buffer.length)
    this.#held.delete(buffer)
    this.#used.fill(0, held.firstSlot, held.firstSlot + held.slots)
  }

  /**
   * Takes a run of slots that stands for no other memory: for a device whose coherent memory has to come from the pool.
   *
   * @param length - bytes, whole pages
   * @param alignment - bytes, a power of two of at least a page
   * @returns where it is; null where no run is free within a segment
   */
  take(length: number, alignment: number): number | null {
    const slots = length / SLOT_BYTES
    const first = this.#find(slots, alignment)
    if (first === null) return null
    this.#used.fill(1, first, first + slots)
    this.#next = first + slots
    return this.start + first * SLOT_BYTES
  }

  /** Gives a run of `take`'s back. @throws RangeError where it is none of the pool's, or not in use */
  give(address: number, length: number): void {
    const first = (address - this.start) / SLOT_BYTES
    const end = first + length / SLOT_BYTES
    if (
      !Number.isInteger(first) ||
      first < 0 ||
      end > this.#used.length ||
      this.#used.subarray(first, end).includes(0)
    ) {
      throw new RangeError(`0x${address.toString(16)}, ${length} bytes: not taken from this pool`)
    }
    this.#used.fill(0, first, end)
  }

  /** Clears what of a buffer's own pages is not the buffer: for a device that gets whole pages to see. */
  clearAround({ cpu, length }: BouncedBuffer): void {
    const before = cpu % PAGE
    const after = (PAGE - ((cpu + length) % PAGE)) % PAGE
    if (before > 0) this.#memory.writeBytes(cpu - before, new Uint8Array(before))
    if (after > 0) this.#memory.writeBytes(cpu + length, new Uint8Array(after))
  }

  syncForCpu({ cpu, original, direction }: BouncedBuffer, offset: number, length: number): void {
    if (direction !== 'to-device') this.#copy(cpu + offset, original + offset, length)
  }

  syncForDevice({ cpu, original, direction }: BouncedBuffer, offset: number, length: number): void {
    if (direction !== 'from-device') this.#copy(original + offset, cpu + offset, length)
  }

  /** A run of free slots that begins so aligned and stays in one segment; the search begins where the last one ended. */
  #find(slots: number, alignment: number = PAGE): number | null {
    if (slots > SEGMENT_SLOTS) return null
    const step = PAGE / SLOT_BYTES
    const all = this.#used.length
    const from = Math.ceil(this.#next / step) * step
    for (let tried = 0; tried < all; tried += step) {
      const first = (from + tried) % all
      if ((first % SEGMENT_SLOTS) + slots > SEGMENT_SLOTS) continue
      if (alignment > PAGE && (this.start + first * SLOT_BYTES) % alignment !== 0) continue
      let free = 0
      while (free < slots && this.#used[first + free] === 0) free++
      if (free === slots) return first
    }
    return null
  }

  #copy(from: number, to: number, length: number): void {
    const bytes = new Uint8Array(length)
    this.#memory.readBytes(from, bytes)
    this.#memory.writeBytes(to, bytes)
  }
}
