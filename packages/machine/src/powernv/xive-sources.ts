import type { CpuInterruptSource } from '../cpu-bus.ts'
import { InterruptSources } from '../pseries/interrupt-sources.ts'
import { MASKED_PRIORITY } from '../pseries/spec/hcalls.ts'

/**
 * The interrupt sources of a POWER9 chip's host bridges, by the chip's numbers, and their way to its processor: the
 * event state of XIVE, which software configures by OPAL calls and acknowledges by loads from memory.
 *
 * DEVIATION: the processor gets an event's number from `take`, where software would look into an event queue in memory.
 */
export class XiveSources implements CpuInterruptSource {
  readonly #first: number
  readonly #sources: InterruptSources

  /** Sources [first, first + count). */
  constructor(first: number, count: number) {
    this.#first = first
    this.#sources = new InterruptSources(count)
  }

  get pending(): boolean {
    return this.#sources.pending
  }

  take(): number {
    return this.#sources.take()
  }

  claim(source: number, level: boolean): void {
    this.#sources.claim(source - this.#first, level)
  }

  isClaimed(source: number): boolean {
    return this.#sources.isClaimed(source - this.#first)
  }

  /** An edge. Dropped where there is no such source. */
  trigger(source: number): void {
    this.#sources.trigger(source - this.#first)
  }

  /** The level of a level-triggered source. */
  set(source: number, asserted: boolean): void {
    this.#sources.set(source - this.#first, asserted)
  }

  /** A load from its event state buffer; 0 where there is no such source. */
  load(source: number, offset: number): number {
    return this.isClaimed(source) ? this.#sources.load(source - this.#first, offset) : 0
  }

  /** OPAL_XIVE_SET_IRQ_CONFIG. False where there is no such source. */
  configure(source: number, priority: number, number: number): boolean {
    if (!this.isClaimed(source)) return false
    this.#sources.configure(source - this.#first, Math.min(priority, MASKED_PRIORITY), number)
    return true
  }

  reset(): void {
    this.#sources.reset()
  }
}
