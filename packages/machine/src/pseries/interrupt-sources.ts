import { HCALL_RETURN } from '@dmascope/iommu/tce/spec'
import type { CpuInterruptSource } from '../cpu-bus.ts'
import { MSI_SOURCES } from './spec/address-map.ts'
import {
  ARGUMENT_RETURN,
  ESB_LOAD,
  ESB_PAGE_SHIFT,
  ESB_SHIFT,
  ESB_STORE,
  HIGHEST_PRIORITY,
  MASKED_PRIORITY,
  PSERIES_HCALL,
  SOURCE_CONFIG_FLAGS,
  SOURCE_FLAGS,
} from './spec/hcalls.ts'

const { H_SUCCESS, H_FUNCTION, H_PARAMETER } = HCALL_RETURN
const { H_P2, H_P3, H_P4 } = ARGUMENT_RETURN
const SOURCES = MSI_SOURCES.first + MSI_SOURCES.count

/** P: an event is on its way to the processor, or not acknowledged. Q: another came meanwhile. Q alone: off. */
const OFF = 0b01
const P = 0b10
const QUEUED = 0b11

/**
 * The interrupt sources of a pseries machine, and their way to its processor, which takes one at a time. A source is
 * claimed by what it belongs to, and then given a priority and a number by software: by hypervisor calls (XIVE in
 * exploitation mode), or by RTAS calls (XICS).
 *
 * DEVIATION: the processor gets an event's number from `take`, where software would look into an event queue in memory
 * (XIVE) or call H_XIRR (XICS). Every source asks software to use H_INT_ESB, not loads from event state buffers; stores
 * by that call do nothing. Both controllers' calls work, whichever one software chose.
 */
export class InterruptSources implements CpuInterruptSource {
  readonly #claimed: Uint8Array
  readonly #level: Uint8Array
  readonly #asserted: Uint8Array
  readonly #pq: Uint8Array
  readonly #priority: Uint8Array
  readonly #number: Float64Array
  readonly #events: number[] = []

  /** @param count - sources have numbers below this */
  constructor(count = SOURCES) {
    this.#claimed = new Uint8Array(count)
    this.#level = new Uint8Array(count)
    this.#asserted = new Uint8Array(count)
    this.#pq = new Uint8Array(count).fill(OFF)
    this.#priority = new Uint8Array(count).fill(MASKED_PRIORITY)
    this.#number = new Float64Array(count)
  }

  get pending(): boolean {
    return this.#events.length > 0
  }

  take(): number {
    const source = this.#events.shift()
    return source === undefined ? -1 : this.#number[source]!
  }

  /** Makes a source one that software can use. */
  claim(source: number, level: boolean): void {
    this.#claimed[source] = 1
    this.#level[source] = level ? 1 : 0
    this.#pq[source] = OFF
    this.#priority[source] = MASKED_PRIORITY
    this.#number[source] = source
  }

  /** Takes it away. */
  free(source: number): void {
    this.#claimed[source] = 0
    this.#pq[source] = OFF
  }

  isClaimed(source: number): boolean {
    return this.#claimed[source] === 1
  }

  /** The first of `count` sources for messages that are free, aligned to `count` where that is asked for; -1 for none. */
  findMessages(count: number, aligned: boolean): number {
    const step = aligned ? count : 1
    for (let first = 0; first + count <= MSI_SOURCES.count; first += step) {
      let free = true
      for (let index = 0; index < count && free; index++) free = this.#claimed[MSI_SOURCES.first + first + index] === 0
      if (free) return MSI_SOURCES.first + first
    }
    return -1
  }

  /** An edge. Dropped where nobody claimed the source. */
  trigger(source: number): void {
    if (!this.isClaimed(source)) return
    const before = this.#pq[source]!
    if (before === OFF) return
    this.#pq[source] = (before & P) === 0 ? P : QUEUED
    if ((before & P) === 0) this.#notify(source)
  }

  /** The level of a level-triggered source. */
  set(source: number, asserted: boolean): void {
    this.#asserted[source] = asserted ? 1 : 0
    if (asserted) this.trigger(source)
  }

  #notify(source: number): void {
    if (this.#priority[source] !== MASKED_PRIORITY) this.#events.push(source)
  }

  /** P and Q become what they are set to; a level that is still there, or an event that was queued, is told again. */
  #endOfInterrupt(source: number): void {
    const again = this.#level[source] === 1 ? this.#asserted[source] === 1 : this.#pq[source] === QUEUED
    if (this.#pq[source] === OFF) return
    this.#pq[source] = 0
    if (again) this.trigger(source)
  }

  /** A load from the event state buffer of a claimed source: answers P and Q as they were. */
  load(source: number, offset: number): number {
    const before = this.#pq[source]!
    if (offset === ESB_LOAD.EOI) this.#endOfInterrupt(source)
    else if (offset >= ESB_LOAD.SET_PQ_00 && offset < 0x1000) {
      this.#pq[source] = (offset >>> 8) & 0b11
      if (this.#pq[source] === 0 && this.#level[source] === 1 && this.#asserted[source] === 1) this.trigger(source)
    }
    return before
  }

  /** The H_INT calls. `args` are (lo, hi) pairs; H_FUNCTION for a number that is none of them. */
  call(number: number, args: Uint32Array, out: Uint32Array): number {
    const { H_INT_GET_SOURCE_INFO, H_INT_SET_SOURCE_CONFIG, H_INT_ESB, H_INT_RESET } = PSERIES_HCALL
    if (number === H_INT_RESET) return this.reset()
    if (number !== H_INT_GET_SOURCE_INFO && number !== H_INT_SET_SOURCE_CONFIG && number !== H_INT_ESB) {
      return H_FUNCTION
    }
    const flags = args[1] === 0 ? args[0]! : -1
    const { MASK, SET_EISN } = SOURCE_CONFIG_FLAGS
    const known = number === H_INT_SET_SOURCE_CONFIG ? MASK | SET_EISN : number === H_INT_ESB ? ESB_STORE : 0
    if ((flags & ~known) !== 0) return H_PARAMETER
    const source = args[2]!
    if (args[3] !== 0 || !this.isClaimed(source)) return H_P2
    out.fill(0)
    if (number === H_INT_GET_SOURCE_INFO) {
      out[0] = SOURCE_FLAGS.H_INT_ESB | (this.#level[source] === 1 ? SOURCE_FLAGS.LSI : 0)
      // No addresses: software is to call.
      out.fill(0xffff_ffff, 2, 6)
      out[6] = ESB_PAGE_SHIFT
      return H_SUCCESS
    }
    if (number === H_INT_ESB) {
      if (args[5] !== 0 || args[4]! > 2 ** ESB_SHIFT) return H_P3
      if (flags !== ESB_STORE) out[0] = this.load(source, args[4]! & 0xfff)
      return H_SUCCESS
    }
    const priority = args[7] === 0 ? args[6]! : -1
    if (priority === MASKED_PRIORITY) {
      this.configure(source, MASKED_PRIORITY, 0)
      return H_SUCCESS
    }
    if (priority < 0 || priority > HIGHEST_PRIORITY) return H_P4
    this.#priority[source] = (flags & MASK) === 0 ? priority : MASKED_PRIORITY
    if ((flags & SET_EISN) !== 0) this.#number[source] = args[9]! * 0x1_0000_0000 + args[8]!
    return H_SUCCESS
  }

  /** The priority of a claimed source, and the number that the processor is told of it. */
  configure(source: number, priority: number, number: number): void {
    this.#priority[source] = priority
    this.#number[source] = number
  }

  /** ibm,set-xive and ibm,int-on under XICS: a priority, and the source delivers from now on. */
  enable(source: number, priority: number): void {
    this.#priority[source] = priority
    this.#pq[source] = priority === MASKED_PRIORITY ? OFF : 0
    if (this.#pq[source] === 0 && this.#asserted[source] === 1) this.trigger(source)
  }

  /** H_EOI under XICS. */
  endOfInterrupt(source: number): void {
    if (this.isClaimed(source)) this.#endOfInterrupt(source)
  }

  priorityOf(source: number): number {
    return this.#priority[source] ?? MASKED_PRIORITY
  }

  reset(): number {
    this.#pq.fill(OFF)
    this.#priority.fill(MASKED_PRIORITY)
    this.#events.length = 0
    return H_SUCCESS
  }
}
