import type { CpuInterruptController } from '../interrupts/vectors.ts'
import { FRR, GCR, IVPR, OPEN_PIC, OPEN_PIC_PROCESSOR, OPEN_PIC_SOURCE, SOURCE_STRIDE } from '../spec/open-pic.ts'
import type { WordRegisters } from './byte-order.ts'

const { MSK, P, S, PRIORITY, VECTOR } = IVPR.fields
/** Linux gives all sources the same. */
const SOURCE_PRIORITY = 8
const THIS_PROCESSOR = 1
/** What the controller answers where nothing waits after all. */
const SPURIOUS = 0xff
/** Numbers from here on are nobody’s source: messages have them. */
const FIRST_SOFTWARE = 0x1000

export interface OpenPicPlace {
  readonly base: number
  /** How many sources there are; as many as the controller says unless given. */
  readonly sources?: number
}

/**
 * Linux’s driver of an OpenPIC (`mpic_init`). A vector has the number of its source.
 *
 * DEVIATION: Freescale’s controller acknowledges by itself on processors that have a register for it; here IACK is read.
 */
export class OpenPicDriver implements CpuInterruptController {
  readonly dynamic = { first: FIRST_SOFTWARE, last: 0xffff }
  readonly #base: number
  readonly #words: WordRegisters
  readonly #sources: number

  constructor(words: WordRegisters, { base, sources }: OpenPicPlace, log: (line: string) => void) {
    this.#words = words
    this.#base = base
    const feature = this.#read(OPEN_PIC.registers.FRR.offset)
    this.#write(OPEN_PIC.registers.GCR.offset, GCR.fields.R.setLo(0, 1))
    this.#sources = sources ?? FRR.fields.NIRQ.get(feature) + 1
    log(`mpic: Setting up MPIC at 0x${base.toString(16)}, ${this.#sources} sources`)
    for (let at = 0; at < this.#sources; at++) {
      this.#write(this.#ivprOf(at), this.#masked(at))
      this.#write(OPEN_PIC_SOURCE.registers.IDR.offset + at * SOURCE_STRIDE, THIS_PROCESSOR)
    }
    this.#write(OPEN_PIC.registers.SVR.offset, SPURIOUS)
    this.#write(OPEN_PIC.registers.GCR.offset, GCR.fields.M.setLo(0, 1))
    this.#write(OPEN_PIC_PROCESSOR.registers.CTPR.offset, 0)
  }

  /** False where the controller has no such source. */
  enable(source: number, level: boolean, activeHigh: boolean): boolean {
    if (!(source >= 0 && source < this.#sources)) return false
    const sense = S.setLo(P.setLo(this.#masked(source), activeHigh ? 1 : 0), level ? 1 : 0)
    this.#write(this.#ivprOf(source), MSK.setLo(sense, 0))
    return true
  }

  disable(source: number): void {
    if (source >= 0 && source < this.#sources) this.#write(this.#ivprOf(source), this.#masked(source))
  }

  take(): number {
    const vector = this.#read(OPEN_PIC_PROCESSOR.registers.IACK.offset)
    return vector === SPURIOUS ? -1 : vector
  }

  endOfInterrupt(): void {
    this.#write(OPEN_PIC_PROCESSOR.registers.EOI.offset, 0)
  }

  #masked(source: number): number {
    return MSK.setLo(PRIORITY.setLo(VECTOR.setLo(0, source), SOURCE_PRIORITY), 1)
  }

  #ivprOf(source: number): number {
    return OPEN_PIC_SOURCE.registers.IVPR.offset + source * SOURCE_STRIDE
  }

  #read(offset: number): number {
    return this.#words.read(this.#base + offset)
  }

  #write(offset: number, value: number): void {
    this.#words.write(this.#base + offset, value)
  }
}
