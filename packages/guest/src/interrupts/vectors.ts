import type { CpuBus } from '@dmascope/memory/contracts'
import type { LocalApic } from './local-apic.ts'

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
}

/** What ended a wait: the event, silence (nothing pending anywhere), or the kernel's patience. */
export type WaitResult = 'done' | 'idle' | 'gave-up'

/** Below it are exceptions and the vector that Linux keeps for moving interrupts; above, its system vectors. */
const FIRST = 0x21
const LAST = 0xeb

/** DEVIATION: Linux gives up on a line after 99,900 unclaimed of 100,000 interrupts; waiting as long proves no more. */
const NOBODY_CARED = 1000

/**
 * The interrupt vectors of the CPU: who handles which, and the loop in which they arrive. I/O completes here and nowhere
 * else: a kernel does not look into a ring before it is told to.
 */
export class Vectors {
  readonly #bus: CpuBus
  readonly #apic: LocalApic
  readonly #table: (Vector | undefined)[] = new Array<Vector | undefined>(256)
  readonly #log: (line: string) => void
  readonly #patience: number
  /** Vectors of lines that were disabled. */
  readonly #polled: Vector[] = []
  #next = FIRST
  #spurious = 0

  /** @param patience - interrupts, or empty polls, that one wait lets pass before it gives up */
  constructor(bus: CpuBus, apic: LocalApic, patience: number, log: (line: string) => void) {
    this.#bus = bus
    this.#apic = apic
    this.#patience = patience
    this.#log = log
  }

  /** Interrupts that arrived on vectors without a handler. */
  get spurious(): number {
    return this.#spurious
  }

  /** A vector of its own; null where all are taken. */
  allocate(trigger: Vector['trigger'], disable: () => void = () => {}): Vector | null {
    for (let tried = FIRST; tried <= LAST; tried++) {
      const number = this.#next
      this.#next = number === LAST ? FIRST : number + 1
      if (this.#table[number] !== undefined) continue
      const vector: Vector = { number, trigger, handlers: [], unclaimed: 0, disable }
      this.#table[number] = vector
      return vector
    }
    return null
  }

  release(vector: Vector): void {
    if (this.#table[vector.number] === vector) this.#table[vector.number] = undefined
  }

  /** Takes one interrupt. False where none was delivered. */
  poll(): boolean {
    const number = this.#bus.nextInterrupt()
    if (number < 0) return false
    const vector = this.#table[number & 0xff]
    if (vector === undefined || number > 0xff) {
      if (this.#spurious++ === 0) this.#log(`interrupt: vector 0x${(number & 0xff).toString(16)} has no handler`)
      this.#apic.endOfInterrupt()
      return true
    }
    // Edge interrupts are acknowledged first, or one that arrives meanwhile would be lost; level ones once the source
    // is quiet.
    if (vector.trigger === 'edge') this.#apic.endOfInterrupt()
    let claimed = false
    for (const handler of vector.handlers) claimed = handler() || claimed
    if (vector.trigger === 'level') this.#apic.endOfInterrupt()
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
