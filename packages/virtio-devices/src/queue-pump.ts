import type { VirtioHost } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'

/** More of this chain is to be done: `serve` is called again with it, at the cost of another unit of budget. */
export const SERVE_MORE = -1
/** Nothing can be done with this chain for now: the queue sleeps until it is notified or woken, and keeps the chain. */
export const SERVE_HOLD = -2
/** The chain waits for remote memory (DMA_PENDING): `serve` is called again with it by a later `work`. */
export const SERVE_WAIT = -3
/** The device cannot go on; `fail` was called. */
export const SERVE_BROKEN = -4
/** The device keeps the chain and completes it itself, by its head; the next one is taken. */
export const SERVE_KEEP = -5

/**
 * Does what is asked for by the chain that `queue` stands at.
 *
 * @param fresh - false where the same chain was seen before, after SERVE_MORE, SERVE_HOLD or SERVE_WAIT
 * @returns the bytes written to the device-writable part, which completes the chain, or one of SERVE_*
 */
export type Serve = (index: number, queue: DeviceQueue, fresh: boolean) => number

interface Lane {
  readonly queue: DeviceQueue | null
  /** The queue may hold something that was not looked at. */
  awake: boolean
  /** A chain was taken and not completed. */
  held: boolean
}

/**
 * Takes chains off a device's queues in turn, has each served, completes it and raises the interrupt that the driver
 * asked for. Every virtio device here stands on one.
 */
export class QueuePump {
  #lanes: Lane[] = []
  #host: VirtioHost | null = null
  #failed = false
  #left = 0
  #waiting = false
  readonly #serve: Serve

  constructor(serve: Serve) {
    this.#serve = serve
  }

  /** May be called again while active, with some queues replaced: the others go on where they are. */
  activate(queues: readonly (DeviceQueue | null)[], host: VirtioHost): void {
    // A driver may have filled queues and notified them before DRIVER_OK; so each is looked at once.
    this.#lanes = queues.map((queue, index) => {
      const before = this.#lanes[index]
      const held = before !== undefined && before.queue === queue && before.held
      return { queue, awake: queue !== null, held }
    })
    this.#host = host
    this.#failed = false
  }

  /** Null before `activate` and after `reset`. */
  get host(): VirtioHost | null {
    return this.#host
  }

  queue(index: number): DeviceQueue | null {
    return this.#lanes[index]?.queue ?? null
  }

  /** A notification by the driver, or something for a held chain: the queue is looked at by the next `work`. */
  wake(index: number): void {
    const lane = this.#lanes[index]
    if (lane !== undefined && lane.queue !== null) lane.awake = true
  }

  /** No further chain is taken from the queue until it is woken. */
  sleep(index: number): void {
    const lane = this.#lanes[index]
    if (lane !== undefined) lane.awake = false
  }

  /** The device met what it cannot go on from. It does nothing more until it is reset. */
  fail(reason: string): typeof SERVE_BROKEN {
    if (!this.#failed) {
      this.#failed = true
      this.#host?.needsReset(reason)
    }
    return SERVE_BROKEN
  }

  get failed(): boolean {
    return this.#failed
  }

  reset(): void {
    this.#lanes = []
    this.#host = null
    this.#failed = false
  }

  /** One unit of budget is one call of `serve`. */
  work(budget: number): 'idle' | 'more' | 'waiting' {
    this.#left = budget
    this.#waiting = false
    for (let index = 0; index < this.#lanes.length && !this.#failed; index++) {
      const lane = this.#lanes[index]!
      if (lane.awake && lane.queue !== null && this.#left > 0) this.#drain(index, lane, lane.queue)
    }
    if (this.#failed) return 'idle'
    if (this.#waiting) return 'waiting'
    return this.#lanes.some((lane) => lane.awake) ? 'more' : 'idle'
  }

  #drain(index: number, lane: Lane, queue: DeviceQueue): void {
    let completed = false
    let looked = false
    queue.disableNotifications()
    while (this.#left > 0 && lane.awake) {
      const fresh = !lane.held
      if (fresh && !queue.next()) {
        // What the driver added while it had no need to notify is found now; what cannot be read now, later.
        if (queue.broken === null && queue.enableNotifications()) {
          if (looked) {
            this.#waiting = true
            break
          }
          looked = true
          continue
        }
        lane.awake = false
        break
      }
      looked = false
      lane.held = true
      this.#left--
      const served = this.#serve(index, queue, fresh)
      if (served >= 0) {
        lane.held = false
        queue.complete(served)
        completed = true
        if (queue.broken !== null) break
      } else if (served === SERVE_KEEP) {
        lane.held = false
      } else if (served !== SERVE_MORE) {
        if (served === SERVE_HOLD) lane.awake = false
        if (served === SERVE_WAIT) this.#waiting = true
        break
      }
    }
    if (completed && queue.shouldInterrupt()) this.#host?.interrupt(index)
    if (queue.broken !== null) this.fail(`queue ${index}: ${queue.broken}`)
  }
}
