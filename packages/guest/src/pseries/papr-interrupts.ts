import type { CpuInterruptController } from '../interrupts/vectors.ts'
import {
  ESB_LOAD_EOI,
  ESB_SET_PQ_00,
  ESB_SET_PQ_01,
  H_EOI,
  H_INT_ESB,
  H_INT_GET_SOURCE_INFO,
  H_INT_RESET,
  H_INT_SET_SOURCE_CONFIG,
  SET_EISN,
  XICS_PRIORITY,
  XIVE_PRIORITY,
} from '../spec/papr.ts'
import type { HypervisorCalls } from './hypervisor.ts'
import type { Rtas } from './rtas.ts'

/** The interrupt controller of a partition. A vector has the number of its source. */
export interface PaprInterrupts extends CpuInterruptController {
  /** Lets a source through to this processor. False where the hypervisor refuses. */
  enable(source: number): boolean
  disable(source: number): void
}

/** Sources of interrupts have numbers from 16 on; below are Linux's own. */
const DYNAMIC = { first: 16, last: 0xffff } as const
const MASKED = 0xff

/**
 * XIVE in exploitation mode, by hypervisor calls.
 *
 * DEVIATION: Linux finds events in queues in its memory; here the processor is told their number. All sources are
 * acknowledged by H_INT_ESB, which Linux does for those alone that ask for it.
 */
export class XiveInterrupts implements PaprInterrupts {
  readonly dynamic = DYNAMIC
  readonly #calls: HypervisorCalls

  constructor(calls: HypervisorCalls) {
    this.#calls = calls
    calls.call(H_INT_RESET, 0)
  }

  enable(source: number): boolean {
    const calls = this.#calls
    if (calls.call(H_INT_GET_SOURCE_INFO, 0, source) !== 0) return false
    if (calls.call(H_INT_SET_SOURCE_CONFIG, SET_EISN, source, 0, XIVE_PRIORITY, source) !== 0) return false
    return calls.call(H_INT_ESB, 0, source, ESB_SET_PQ_00) === 0
  }

  disable(source: number): void {
    this.#calls.call(H_INT_ESB, 0, source, ESB_SET_PQ_01)
    this.#calls.call(H_INT_SET_SOURCE_CONFIG, 0, source, 0, MASKED, 0)
  }

  take(signalled: number): number {
    return signalled
  }

  endOfInterrupt(vector: number): void {
    this.#calls.call(H_INT_ESB, 0, vector, ESB_LOAD_EOI)
  }
}

/** XICS: sources are masked by RTAS, and acknowledged by hypervisor calls. */
export class XicsInterrupts implements PaprInterrupts {
  readonly dynamic = DYNAMIC
  readonly #calls: HypervisorCalls
  readonly #rtas: Rtas

  constructor(calls: HypervisorCalls, rtas: Rtas) {
    this.#calls = calls
    this.#rtas = rtas
  }

  enable(source: number): boolean {
    return (
      this.#rtas.call('ibm,set-xive', [source, 0, XICS_PRIORITY], 1).status === 0 &&
      this.#rtas.call('ibm,int-on', [source], 1).status === 0
    )
  }

  disable(source: number): void {
    this.#rtas.call('ibm,int-off', [source], 1)
  }

  take(signalled: number): number {
    return signalled
  }

  endOfInterrupt(vector: number): void {
    this.#calls.call(H_EOI, vector)
  }
}
