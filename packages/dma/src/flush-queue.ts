/** Linux's queue holds 256 entries, of which one stays empty. */
export const FLUSH_QUEUE_ENTRIES = 255

/**
 * Ranges unmapped in the page tables that the IOTLB may still hold: Linux's `dma-fq`. One invalidation of the whole
 * domain serves many unmaps; only then may an address be used again. Until then the device can still reach the memory.
 */
export class FlushQueue {
  readonly #invalidate: () => void
  readonly #release: (iova: number, length: number) => void
  readonly #capacity: number
  #iovas: number[] = []
  #lengths: number[] = []

  /**
   * @param invalidate - invalidates all that the IOTLB holds of the domain
   * @param release - makes a range available again
   */
  constructor(
    invalidate: () => void,
    release: (iova: number, length: number) => void,
    capacity: number = FLUSH_QUEUE_ENTRIES,
  ) {
    if (!Number.isInteger(capacity) || capacity < 1)
      throw new RangeError(`a flush queue holds 1 or more, got ${capacity}`)
    this.#invalidate = invalidate
    this.#release = release
    this.#capacity = capacity
  }

  /** Ranges that wait. */
  get pending(): number {
    return this.#iovas.length
  }

  /** Queues a range; a full queue is flushed first. */
  push(iova: number, length: number): void {
    if (this.#iovas.length >= this.#capacity) this.flush()
    this.#iovas.push(iova)
    this.#lengths.push(length)
  }

  /** Invalidates once and releases every range that waited. What Linux's 10 ms timer does. */
  flush(): void {
    if (this.#iovas.length === 0) return
    this.#invalidate()
    const iovas = this.#iovas
    const lengths = this.#lengths
    this.#iovas = []
    this.#lengths = []
    for (let index = 0; index < iovas.length; index++) this.#release(iovas[index]!, lengths[index]!)
  }
}
