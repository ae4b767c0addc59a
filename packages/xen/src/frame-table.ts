/** Whose a frame of the machine's memory is. `none`: there is no RAM. */
export const FRAME_OWNER = { none: 0, free: 1, hypervisor: 2, domain: 3, other: 4 } as const
export type FrameOwner = (typeof FRAME_OWNER)[keyof typeof FRAME_OWNER]

/** A range of RAM, in frames of 4 KiB: [first, end). */
export interface FrameRange {
  readonly first: number
  readonly end: number
}

/** The largest extents that are given out: 4 MiB. */
export const MOST_ORDER = 10

/** Whose each frame of a machine is, and the heap that Xen allocates from. */
export class FrameTable {
  /** One past the last frame of RAM. */
  readonly frames: number
  readonly #owner: Uint8Array
  /** 1 where a free frame may hold what its last owner left. */
  readonly #dirty: Uint8Array
  /** Where the search for extents of each order goes on, downwards. */
  readonly #next: Int32Array

  /** All of it is the hypervisor's at first. */
  constructor(ram: readonly FrameRange[]) {
    this.frames = Math.max(0, ...ram.map(({ end }) => end))
    this.#owner = new Uint8Array(this.frames)
    this.#dirty = new Uint8Array(this.frames)
    this.#next = new Int32Array(MOST_ORDER + 1).fill(this.frames)
    for (const { first, end } of ram) this.#owner.fill(FRAME_OWNER.hypervisor, first, end)
  }

  ownerOf(frame: number): FrameOwner {
    return (this.#owner[frame] ?? FRAME_OWNER.none) as FrameOwner
  }

  /** Gives RAM of [first, first + count) to an owner; what is no RAM stays so. */
  give(first: number, count: number, owner: Exclude<FrameOwner, 0>): void {
    for (let frame = first; frame < Math.min(first + count, this.frames); frame++) {
      if (this.#owner[frame] !== FRAME_OWNER.none) this.#owner[frame] = owner
    }
  }

  /**
   * Takes 2^order free frames in a row, aligned to as many, for the domain. From the top, as Xen's heap does.
   *
   * @param limit - one past the highest frame that serves
   * @returns the first of them; -1 where there are none
   */
  allocate(order: number, limit: number): number {
    const count = 2 ** order
    const top = Math.floor(Math.min(limit, this.frames) / count) * count
    const from = Math.min(this.#next[order]!, top)
    for (const [high, low] of [
      [from, 0],
      [top, from],
    ] as const) {
      for (let first = high - count; first >= low; first -= count) {
        if (!this.#isFree(first, count)) continue
        this.#owner.fill(FRAME_OWNER.domain, first, first + count)
        this.#next[order] = first
        return first
      }
    }
    return -1
  }

  /** Back to the heap, as it was left. */
  release(frame: number): void {
    this.#owner[frame] = FRAME_OWNER.free
    this.#dirty[frame] = 1
  }

  /** Somebody wrote to it who does not own it. */
  soil(frame: number): void {
    if (frame < this.frames) this.#dirty[frame] = 1
  }

  /** Whether it has to be cleared before it is used; it counts as clean from then on. */
  takeDirt(frame: number): boolean {
    const dirty = this.#dirty[frame] === 1
    this.#dirty[frame] = 0
    return dirty
  }

  #isFree(first: number, count: number): boolean {
    for (let frame = first; frame < first + count; frame++) {
      if (this.#owner[frame] !== FRAME_OWNER.free) return false
    }
    return true
  }
}
