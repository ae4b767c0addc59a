import type { InterruptBank } from './interrupt-bank.ts'
import type { LpiTable } from './lpi-table.ts'
import { FIRST_SPI, GIC_PIDR2_OFFSET, GICD_ARRAYS } from './spec/distributor.ts'
import { GICR, GICR_CTLR, GICR_FRAME, GICR_PROPBASER, GICR_TYPER, GICR_WAKER } from './spec/redistributor.ts'

const AT = GICR.registers
const IIDR = 0x43b
const PIDR2 = 0x3b
const ARRAYS_END = GICD_ARRAYS.ICFGR.offset + 8
const { EnableLPIs } = GICR_CTLR.fields

export interface RedistributorOptions {
  readonly affinity: number
  readonly number: number
  readonly last: boolean
  /** Interrupts 0 to 31 of its processor, and perhaps more. */
  readonly bank: InterruptBank
  readonly lpis: LpiTable | null
}

/** One processor's redistributor: its private interrupts, its LPIs, and whether it is awake. */
export class Redistributor {
  readonly lpis: LpiTable | null
  readonly #bank: InterruptBank
  readonly #typer: readonly [lo: number, hi: number]
  #control = 0
  #waker = AT.WAKER.resetLo
  readonly #propertyBase = new Uint32Array(2)
  readonly #pendingBase = new Uint32Array(2)

  constructor({ affinity, number, last, bank, lpis }: RedistributorOptions) {
    this.#bank = bank
    this.lpis = lpis
    const { Processor_Number, Last, PLPIS, Affinity_Value } = GICR_TYPER.fields
    const lo = Processor_Number.setLo((last ? Last.loMask : 0) | (lpis === null ? 0 : PLPIS.loMask), number)
    this.#typer = [lo, Affinity_Value.setHi(0, affinity)]
  }

  /** @param offset - within its two frames */
  read(offset: number, width: 1 | 2 | 4): number {
    if (offset >= GICR_FRAME) {
      const at = offset - GICR_FRAME
      return at >= GICD_ARRAYS.IGROUPR.offset && at < ARRAYS_END ? this.#bank.read(at, width, 0, FIRST_SPI) : 0
    }
    switch (offset & ~4) {
      case AT.TYPER.offset:
        return this.#typer[(offset >>> 2) & 1]!
      case AT.PROPBASER.offset:
        return this.#propertyBase[(offset >>> 2) & 1]!
      case AT.PENDBASER.offset:
        return this.#pendingBase[(offset >>> 2) & 1]!
      default:
    }
    switch (offset) {
      case AT.CTLR.offset:
        return this.#control
      case AT.IIDR.offset:
        return IIDR
      case AT.WAKER.offset:
        return this.#waker
      case GIC_PIDR2_OFFSET:
        return PIDR2
      default:
        return 0
    }
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset >= GICR_FRAME) {
      const at = offset - GICR_FRAME
      if (at >= GICD_ARRAYS.IGROUPR.offset && at < ARRAYS_END) this.#bank.write(at, width, value, 0, FIRST_SPI)
      return
    }
    if (width !== 4) return
    const high = (offset >>> 2) & 1
    switch (offset & ~4) {
      case AT.PROPBASER.offset:
        if (this.lpis !== null) this.#propertyBase[high] = masked(AT.PROPBASER, high, value)
        return
      case AT.PENDBASER.offset:
        if (this.lpis !== null) this.#pendingBase[high] = masked(AT.PENDBASER, high, value)
        return
      default:
    }
    if (offset === AT.CTLR.offset) this.#writeControl(value)
    else if (offset === AT.WAKER.offset) {
      const { ProcessorSleep, ChildrenAsleep } = GICR_WAKER.fields
      // Its children fall asleep and wake up at once.
      this.#waker = (value & ProcessorSleep.loMask) !== 0 ? ProcessorSleep.loMask | ChildrenAsleep.loMask : 0
    }
  }

  #writeControl(value: number): void {
    if (this.lpis === null) return
    const was = EnableLPIs.get(this.#control)
    const now = EnableLPIs.get(value)
    this.#control = now
    if (now === was) return
    const [lo, hi] = this.#propertyBase as unknown as readonly [number, number]
    const { Physical_Address, IDbits } = GICR_PROPBASER.fields
    if (now === 1) this.lpis.enable(Physical_Address.get(lo, hi), IDbits.get(lo) + 1)
    else this.lpis.disable()
  }
}

type Base = typeof AT.PROPBASER | typeof AT.PENDBASER

/** What of a written half stays: bits of fields, without those that read as zero. */
function masked(register: Base, high: number, value: number): number {
  const { rwLo, rwHi, woLo, woHi } = register.rule
  return (high === 1 ? value & rwHi & ~woHi : value & rwLo & ~woLo) >>> 0
}
