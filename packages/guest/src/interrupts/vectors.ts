import type { CpuBus } from '@dmascope/memory/contracts'

/** Answers whether the interrupt was its device's. */
export type InterruptHandler = () => boolean

export interface Vector {
  readonly number: number
  readonly trigger: 'edge' | 'level'
  readonly handlers: InterruptHandler[]
  /** Interrupts in a row that no handler took for its own. */
  unclaimed: number
  /** Called once, where a level interrupt keeps coming and nobody takes it. */
  readonly disable: () => void
  /** Is told of each end of interrupt of a level one: its source may not know it by this vector's number. */
  source: { endOfInterrupt(): void } | null
}

/** What interrupts the CPU. */
export interface CpuInterruptController {
  /** Vectors that may be given to whoever asks for any. */
  readonly dynamic: { readonly first: number; readonly last: number }
  /** Takes the interrupt into service. @param signalled - what the CPU was told; answers its vector, -1 for none at all */
  take(signalled: number): number
  endOfInterrupt(vector: number): void
}

/** What ended a wait: the event, silence (nothing pending anywhere), or the kernel's patience. */
export type WaitResult = 'done' | 'idle' | 'gave-up'

/** DEVIATION: Linux gives up on a line after 99,900 unclaimed of 100,000 interrupts; waiting as long proves no more. */
const NOBODY_CARED = 1000

/**
 * The interrupt vectors of the CPU: who handles which, and the loop in which they arrive. I/O completes here and nowhere
 * else: a kernel does not look into a ring before it is told to.
 */
export class Vectors {
  readonly #bus: CpuBus
  readonly #controller: CpuInterruptController
  readonly #table = new Map<number, Vector>()
  readonly #log: (line: string) => void
  readonly #patience: number
  /** Vectors of lines that were disabled. */
  readonly #polled: Vector[] = []
  /** Vectors that came while interrupts were disabled. */
  readonly #held: number[] = []
  #next: number
  #spurious = 0

  /** @param patience - interrupts, or empty polls, that one wait lets pass before it gives up */
  constructor(bus: CpuBus, controller: CpuInterruptController, patience: number, log: (line: string) => void) {
    this.#bus = bus
    this.#controller = controller
    this.#next = controller.dynamic.first
    this.#patience = patience
    this.#log = log
  }

  /** Interrupts that arrived on vectors without a handler. */
  get spurious(): number {
    return this.#spurious
  }

  /** A vector of its own; null where all are taken. */
  allocate(trigger: Vector['trigger'], disable: () => void = () => {}): Vector | null {
    const { first, last } = this.#controller.dynamic
    for (let tried = first; tried <= last; tried++) {
      const number = this.#next
      this.#next = number === last ? first : number + 1
      const vector = this.claim(number, trigger, disable)
      if (vector !== null) return vector
    }
    return null
  }

  /** The vector of this number; null where it is taken. */
  claim(number: number, trigger: Vector['trigger'], disable: () => void = () => {}): Vector | null {
    if (this.#table.has(number)) return null
    const vector: Vector = { number, trigger, handlers: [], unclaimed: 0, disable, source: null }
    this.#table.set(number, vector)
    return vector
  }

  release(vector: Vector): void {
    if (this.#table.get(vector.number) === vector) this.#table.delete(vector.number)
  }

  /**
   * Lets the machine run with interrupts disabled, until `done` or until waiting longer would be to hang: what a driver
   * does that spins under a lock. Interrupts that come meanwhile are taken afterwards, by `poll`.
   */
  spin(done: () => boolean): boolean {
    for (let patience = this.#patience; !done(); patience--) {
      const number = this.#take()
      if (number >= 0) this.#held.push(number)
      else if (this.#bus.idle() || patience <= 0) return done()
    }
    return true
  }

  /** The interrupt that comes next, taken into service; -1 where none does for now. */
  #take(): number {
    const signalled = this.#bus.nextInterrupt()
    return signalled < 0 ? -1 : this.#controller.take(signalled)
  }

  /** Takes one interrupt. False where none was delivered. */
  poll(): boolean {
    const number = this.#held.shift() ?? this.#take()
    if (number < 0) return false
    const vector = this.#table.get(number)
    if (vector === undefined) {
      if (this.#spurious++ === 0) this.#log(`interrupt: vector 0x${number.toString(16)} has no handler`)
      this.#controller.endOfInterrupt(number)
      return true
    }
    // Edge interrupts are acknowledged first, or one that arrives meanwhile would be lost; level ones once the source
    // is quiet.
    if (vector.trigger === 'edge') this.#controller.endOfInterrupt(number)
    let claimed = false
    for (const handler of vector.handlers) claimed = handler() || claimed
    if (vector.trigger === 'level') {
      this.#controller.endOfInterrupt(number)
      vector.source?.endOfInterrupt()
    }
    this.#account(vector, claimed)
    return true
  }

  /** Lets the machine run, and takes its interrupts, until `done` or until waiting longer would be to hang. */
  wait(done: () => boolean): WaitResult {
    let patience = this.#patience
    while (!done()) {
      if (!this.poll() && this.#bus.idle() && !this.#pollDisabled()) return done() ? 'done' : 'idle'
      if (--patience <= 0) return done() ? 'done' : 'gave-up'
    }
    return 'done'
  }

  /**
   * Asks the handlers on lines that were disabled: Linux does ten times a second, so that devices that share a line with
   * one that nobody serves are slow, not dead. Answers whether any had something to do.
   */
  #pollDisabled(): boolean {
    let claimed = false
    for (const { handlers } of this.#polled) for (const handler of handlers) claimed = handler() || claimed
    return claimed
  }

  #account(vector: Vector, claimed: boolean): void {
    if (claimed) {
      vector.unclaimed = 0
      return
    }
    vector.unclaimed++
    if (vector.trigger === 'level' && vector.unclaimed === NOBODY_CARED) {
      this.#log(`interrupt: vector 0x${vector.number.toString(16)}: nobody cared, line disabled`)
      vector.disable()
      this.#polled.push(vector)
    }
  }
}
