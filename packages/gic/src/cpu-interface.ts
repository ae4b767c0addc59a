import { IDLE_PRIORITY, type InterruptBank } from './interrupt-bank.ts'
import type { LpiTable } from './lpi-table.ts'
import { FIRST_LPI, SPURIOUS_INTID } from './spec/distributor.ts'

/** What a processor is asked to take its interrupts from. */
export interface InterruptSources {
  readonly bank: InterruptBank
  /** Null where there are none: GICv2. */
  readonly lpis: LpiTable | null
  /** Groups that distributor and CPU interface both let through: bits 0 and 1. */
  groups(): number
}

const LOWEST_PRIORITY = 0xff

/**
 * One processor's interface: which interrupt comes next, which are being served. Memory-mapped in GICv2, system registers
 * in GICv3; what they do is the same (IHI 0048B §3, IHI 0069 §4).
 */
export class CpuInterface {
  /** Interrupts of this priority and lower wait. */
  priorityMask = 0
  binaryPoint = 0
  /** End of interrupt only drops the priority; deactivation is apart. */
  splitEnd = false
  readonly #sources: InterruptSources
  /** Priorities of what is being served, the highest last. Each is higher than the one before it. */
  readonly #running: number[] = []

  constructor(sources: InterruptSources) {
    this.#sources = sources
  }

  get runningPriority(): number {
    return this.#running.at(-1) ?? LOWEST_PRIORITY
  }

  /** The interrupt that would be taken now; SPURIOUS_INTID where there is none. */
  get next(): number {
    const { bank, lpis } = this.#sources
    const groups = this.#sources.groups()
    if (groups === 0) return SPURIOUS_INTID
    let intid = bank.highest(groups)
    let priority = intid < 0 ? IDLE_PRIORITY : bank.priorityOf(intid)
    // LPIs are of group 1.
    if (lpis !== null && (groups & 2) !== 0 && lpis.highest >= 0 && lpis.highestPriority < priority) {
      intid = lpis.highest
      priority = lpis.highestPriority
    }
    const ceiling = Math.min(this.priorityMask, this.#running.at(-1) ?? IDLE_PRIORITY)
    return intid >= 0 && priority < ceiling ? intid : SPURIOUS_INTID
  }

  /** Whether the processor is being interrupted. */
  get asserted(): boolean {
    return this.next !== SPURIOUS_INTID
  }

  /** Takes the next interrupt into service; SPURIOUS_INTID where there is none. */
  acknowledge(): number {
    const intid = this.next
    if (intid === SPURIOUS_INTID) return intid
    const { bank, lpis } = this.#sources
    if (intid >= FIRST_LPI) {
      this.#running.push(lpis!.highestPriority)
      lpis!.take(intid)
    } else {
      this.#running.push(bank.priorityOf(intid))
      bank.activate(intid)
    }
    return intid
  }

  endOfInterrupt(intid: number): void {
    if (intid >= 1020 && intid < FIRST_LPI) return
    this.#running.pop()
    if (!this.splitEnd) this.deactivate(intid)
  }

  /** LPIs have no active state. */
  deactivate(intid: number): void {
    if (intid < this.#sources.bank.count) this.#sources.bank.deactivate(intid)
  }
}
