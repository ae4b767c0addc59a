/** What works in turns: a function on PCI, or a device on no bus. */
export interface Worker {
  work(budget: number): 'idle' | 'more' | 'waiting'
}

/** Units of work that a device may do before others get their turn. */
const BUDGET = 64
/** Turns that one wait for an interrupt may take: a device that is never done does not hold the CPU for ever. */
const MOST_TURNS = 65_536

/** Devices with work to do, each once, in the order in which they were touched. */
export class RunQueue {
  readonly #queue: Worker[] = []
  readonly #queued = new Set<Worker>()
  #head = 0
  #turns = 0
  #current: Worker | null = null
  /** What has a turn after a device has had one. */
  #followers: Map<Worker, Worker> | null = null

  /** From now on `follower` has a turn after each of the device's. */
  follow(one: Worker, follower: Worker): void {
    this.#followers ??= new Map()
    this.#followers.set(one, follower)
  }

  /** Software touched the device: it may have work now. */
  touch(one: Worker): void {
    // Software mostly touches one device many times before it runs.
    if (!this.empty && this.#queue[this.#queue.length - 1] === one) return
    if (this.#queued.has(one)) return
    this.#queued.add(one)
    this.#queue.push(one)
  }

  /** Turns given so far. */
  get turns(): number {
    return this.#turns
  }

  /** The device whose turn it is; null between turns. */
  get current(): Worker | null {
    return this.#current
  }

  get empty(): boolean {
    return this.#head === this.#queue.length
  }

  /** Gives turns until `stop` says so, nothing is left, or the turns run out. */
  run(stop: () => boolean): void {
    for (let turn = 0; turn < MOST_TURNS && !this.empty && !stop(); turn++) {
      const one = this.#queue[this.#head++]!
      if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue.splice(0, this.#head)
        this.#head = 0
      }
      this.#queued.delete(one)
      this.#turns++
      this.#current = one
      if (one.work(BUDGET) === 'more') this.touch(one)
      if (this.#followers !== null) this.#followers.get(one)?.work(BUDGET)
      this.#current = null
    }
  }
}
