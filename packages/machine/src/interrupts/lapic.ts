import { bits, field, reg32, registers } from '@dmascope/layout'
import type { MmioHandler } from '@dmascope/memory'

const SVR = bits(32, 'SVR', 'Intel SDM vol. 3 §11.9', { VECTOR: field([7, 0], 'rw'), ENABLE: field(8, 'rw') })

/** Local APIC registers that a kernel needs to take interrupts (Intel SDM vol. 3, §11.4.1). */
export const LAPIC = registers('Local APIC', 'Intel SDM vol. 3 §11.4.1', {
  ID: reg32(0x20, 'rw'),
  VERSION: reg32(0x30, 'ro', undefined, 0x0005_0014),
  TPR: reg32(0x80, 'rw'),
  PPR: reg32(0xa0, 'ro'),
  EOI: reg32(0xb0, 'wo'),
  LDR: reg32(0xd0, 'rw'),
  DFR: reg32(0xe0, 'rw', undefined, 0xffff_ffff),
  SVR: reg32(0xf0, 'rw', SVR, 0xff),
})

const BASE = 0xfee0_0000
const ISR = 0x100
const TMR = 0x180
const IRR = 0x200

/**
 * One processor's local APIC: takes messages, orders them by priority, and gives the CPU one vector at a time. What the
 * guest never does (timers, inter-processor interrupts) is stored and has no effect.
 */
export class LocalApic implements MmioHandler {
  static readonly base = BASE
  static readonly size = 0x1000
  readonly #stored = new Uint32Array(0x400 / 4)
  readonly #irr = new Uint32Array(8)
  readonly #isr = new Uint32Array(8)
  readonly #tmr = new Uint32Array(8)
  readonly #endOfInterrupt: (vector: number) => void

  /** @param endOfInterrupt - told of each level-triggered vector that software finished, as IOAPICs are */
  constructor(endOfInterrupt: (vector: number) => void) {
    this.#endOfInterrupt = endOfInterrupt
    for (const { offset, resetLo } of Object.values(LAPIC.registers)) this.#stored[offset >> 2] = resetLo
  }

  /** A message addressed to this processor arrived. */
  accept(vector: number, level: boolean): void {
    if (vector < 16) return
    const word = vector >>> 5
    const bit = 1 << (vector & 31)
    this.#irr[word]! |= bit
    if (level) this.#tmr[word]! |= bit
    else this.#tmr[word]! &= ~bit
  }

  /** Whether an interrupt waits that the processor would take now. */
  get pending(): boolean {
    const vector = highest(this.#irr)
    return vector >= 0 && this.#enabled && vector >>> 4 > this.#priority >>> 4
  }

  /** Takes the highest pending interrupt into service; -1 where there is none. */
  take(): number {
    if (!this.pending) return -1
    const vector = highest(this.#irr)
    const word = vector >>> 5
    const bit = 1 << (vector & 31)
    this.#irr[word]! &= ~bit
    this.#isr[word]! |= bit
    return vector
  }

  get #enabled(): boolean {
    return SVR.fields.ENABLE.get(this.#stored[LAPIC.registers.SVR.offset >> 2]!) === 1
  }

  get #priority(): number {
    return Math.max(this.#stored[LAPIC.registers.TPR.offset >> 2]! & 0xff, highest(this.#isr))
  }

  read(offset: number, width: 1 | 2 | 4): number {
    const index = (offset & 0xff0) >>> 2
    const at = offset & 0xff0
    let word = offset < 0x400 ? this.#stored[index]! : 0
    if (at >= ISR && at < ISR + 0x80) word = this.#isr[(at - ISR) >> 4]!
    else if (at >= TMR && at < TMR + 0x80) word = this.#tmr[(at - TMR) >> 4]!
    else if (at >= IRR && at < IRR + 0x80) word = this.#irr[(at - IRR) >> 4]!
    else if (at === LAPIC.registers.PPR.offset) word = Math.max(this.#priority, 0) & 0xf0
    const shifted = word >>> ((offset & 3) * 8)
    return width === 4 ? shifted >>> 0 : shifted & (width === 2 ? 0xffff : 0xff)
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    // Registers are 32 bits on 16-byte boundaries; other accesses are undefined (Intel SDM vol. 3 §11.4.1).
    if (width !== 4 || (offset & 0xf) !== 0 || offset >= 0x400) return
    if (offset === LAPIC.registers.EOI.offset) {
      const vector = highest(this.#isr)
      if (vector < 0) return
      const word = vector >>> 5
      const bit = 1 << (vector & 31)
      this.#isr[word]! &= ~bit
      if ((this.#tmr[word]! & bit) !== 0) this.#endOfInterrupt(vector)
      return
    }
    if (offset === LAPIC.registers.VERSION.offset || offset === LAPIC.registers.PPR.offset) return
    if (offset >= ISR && offset < 0x280) return
    this.#stored[offset >> 2] = value
  }
}

function highest(words: Uint32Array): number {
  for (let word = 7; word >= 0; word--) {
    const bitsSet = words[word]!
    if (bitsSet !== 0) return word * 32 + 31 - Math.clz32(bitsSet)
  }
  return -1
}
