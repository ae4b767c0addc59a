import type { CpuBus } from '@dmascope/memory/contracts'
import type { PaprInterrupts } from '../pseries/papr-interrupts.ts'
import {
  NATIVE_PRIORITY,
  OPAL_XIVE_GET_IRQ_INFO,
  OPAL_XIVE_RESET,
  OPAL_XIVE_SET_IRQ_CONFIG,
  XIVE_MODE_EXPLOITATION,
} from '../spec/opal.ts'
import { ESB_LOAD_EOI, ESB_SET_PQ_00, ESB_SET_PQ_01 } from '../spec/papr.ts'
import type { Opal } from './opal.ts'

/** Sources of interrupts have numbers from 16 on; below are Linux's own. */
const DYNAMIC = { first: 16, last: 0xffff } as const
const MASKED = 0xff
/** Where a call leaves the address of the page by which a source is acknowledged. */
const PAGE_OFFSET = 8

/**
 * XIVE without a hypervisor: sources are configured by OPAL calls, and acknowledged by loads from their pages.
 *
 * DEVIATION: Linux finds events in queues in its memory; here the processor is told their number.
 */
export class NativeXive implements PaprInterrupts {
  readonly dynamic = DYNAMIC
  readonly #opal: Opal
  readonly #bus: CpuBus
  /** Pages by source. */
  readonly #pages = new Map<number, number>()

  constructor(opal: Opal, bus: CpuBus) {
    this.#opal = opal
    this.#bus = bus
    opal.call(OPAL_XIVE_RESET, XIVE_MODE_EXPLOITATION)
  }

  enable(source: number): boolean {
    const opal = this.#opal
    if (opal.call(OPAL_XIVE_GET_IRQ_INFO, source, 0, opal.buffer + PAGE_OFFSET, 0, 0, 0) !== 0) return false
    const page = opal.result(PAGE_OFFSET, 4) * 0x1_0000_0000 + opal.result(PAGE_OFFSET + 4, 4)
    if (!Number.isSafeInteger(page)) return false
    if (opal.call(OPAL_XIVE_SET_IRQ_CONFIG, source, 0, NATIVE_PRIORITY, source) !== 0) return false
    this.#pages.set(source, page)
    this.#load(source, ESB_SET_PQ_00)
    return true
  }

  disable(source: number): void {
    this.#load(source, ESB_SET_PQ_01)
    this.#opal.call(OPAL_XIVE_SET_IRQ_CONFIG, source, 0, MASKED, 0)
  }

  take(signalled: number): number {
    return signalled
  }

  endOfInterrupt(vector: number): void {
    this.#load(vector, ESB_LOAD_EOI)
  }

  #load(source: number, offset: number): void {
    const page = this.#pages.get(source)
    if (page !== undefined) this.#bus.read32(page + offset)
  }
}
