import type { MmioHandler } from '@dmascope/memory'
import { L2_INTC_WORD } from './spec/l2-intc.ts'

const { IRQEN, IRQSTAT } = L2_INTC_WORD.registers

/** Broadcom's second-level interrupt controller of the BCM3380 kind: words of 32 levels, or-ed onto one output. */
export class L2Interrupts {
  readonly #levels: Uint32Array
  readonly #enabled: Uint32Array
  readonly #drive: (asserted: boolean) => void

  /** @param drive - its output; called with each change of an input or a mask */
  constructor(words: number, drive: (asserted: boolean) => void) {
    this.#levels = new Uint32Array(words)
    this.#enabled = new Uint32Array(words)
    this.#drive = drive
  }

  /** @throws RangeError where there is no such input */
  setInput(input: number, asserted: boolean): void {
    const word = input >>> 5
    const bit = (1 << (input & 31)) >>> 0
    const levels = this.#levels[word]
    if (levels === undefined) throw new RangeError(`there is no input ${input}`)
    this.#levels[word] = asserted ? levels | bit : levels & ~bit
    this.#settle()
  }

  /** The registers of one word. They are accessed as words; anything narrower reads zero and changes nothing. */
  registers(word: number): MmioHandler {
    return {
      read: (offset, width) => {
        if (width !== 4) return 0
        if (offset === IRQEN.offset) return this.#enabled[word] ?? 0
        return offset === IRQSTAT.offset ? (this.#levels[word] ?? 0) : 0
      },
      write: (offset, width, value) => {
        if (width !== 4 || offset !== IRQEN.offset) return
        this.#enabled[word] = value
        this.#settle()
      },
    }
  }

  #settle(): void {
    this.#drive(this.#levels.some((levels, word) => (levels & this.#enabled[word]!) !== 0))
  }
}
