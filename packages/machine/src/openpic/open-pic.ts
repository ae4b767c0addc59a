import type { MmioHandler } from '@dmascope/memory'
import type { CpuInterruptSource } from '../cpu-bus.ts'
import {
  FRR,
  GCR,
  IVPR,
  MPIC_MESSAGES,
  MSIR_COUNT,
  MSIR_STRIDE,
  OPEN_PIC,
  OPEN_PIC_PROCESSOR,
  OPEN_PIC_SOURCE,
  SOURCE_STRIDE,
} from './spec/open-pic.ts'

export interface OpenPicOptions {
  /** How many sources there are. */
  readonly sources: number
  /** How many FRR says there are. */
  readonly announced: number
  /** The first source that is level-triggered whatever its IVPR says; one past the last where there is none. */
  readonly firstInternal: number
  readonly bigEndian: boolean
  /** Source of the first register of messages, where there are such. */
  readonly firstMessage: number | null
  /** Bits of a vector. */
  readonly vectorBits: 8 | 16
}

const CTPR_RESET = 15
const { MSK, A, S, PRIORITY } = IVPR.fields
const global = OPEN_PIC.registers
const processor = OPEN_PIC_PROCESSOR.registers
const source = OPEN_PIC_SOURCE.registers
const message = MPIC_MESSAGES.registers

/**
 * An OpenPIC for one processor: sources with a vector, a priority and a mask each; the processor takes the highest by
 * reading IACK, and ends it by EOI.
 *
 * DEVIATION: no timers, no interrupts between processors, no critical interrupts; and IDR is kept, not obeyed, since
 * there is one processor to go to.
 */
export class OpenPic implements MmioHandler, CpuInterruptSource {
  readonly #options: OpenPicOptions
  readonly #ivpr: Uint32Array
  readonly #idr: Uint32Array
  /** Its line is asserted; of an edge, it has come. */
  readonly #requested: Uint8Array
  /** Sources that are requested and not masked, in no order. */
  readonly #raised: number[] = []
  /** In service: the last is the one that EOI ends. */
  readonly #servicing: number[] = []
  readonly #messages = new Uint32Array(MSIR_COUNT)
  readonly #vectorMask: number
  #ctpr = CTPR_RESET
  #spurious: number
  #gcr = 0

  constructor(options: OpenPicOptions) {
    this.#options = options
    this.#ivpr = new Uint32Array(options.sources)
    this.#idr = new Uint32Array(options.sources)
    this.#requested = new Uint8Array(options.sources)
    this.#vectorMask = 2 ** options.vectorBits - 1
    this.#spurious = this.#vectorMask
    this.#reset()
  }

  #reset(): void {
    this.#ivpr.fill(MSK.setLo(0, 1))
    this.#idr.fill(1)
    this.#requested.fill(0)
    this.#raised.length = 0
    this.#servicing.length = 0
    this.#messages.fill(0)
    this.#ctpr = CTPR_RESET
    this.#spurious = this.#vectorMask
    this.#gcr = 0
  }

  get pending(): boolean {
    return this.#next() >= 0
  }

  /** The processor takes its one external interrupt, and asks IACK which it is. */
  take(): number {
    return this.pending ? 0 : -1
  }

  /** A source’s line. There are no others than its sources. */
  set(at: number, asserted: boolean): void {
    if (!(at >= 0 && at < this.#options.sources)) return
    if (this.#isLevel(at)) this.#requested[at] = asserted ? 1 : 0
    else if (asserted) this.#requested[at] = 1
    this.#update(at)
  }

  /** A message: the low byte of what a device wrote, which is the top one of the register, says which of 256. */
  message(data: number): void {
    const { firstMessage } = this.#options
    if (firstMessage === null) return
    const register = (data & 0xff) >>> 5
    this.#messages[register] = (this.#messages[register]! | (1 << (data & 0x1f))) >>> 0
    this.set(firstMessage + register, true)
  }

  read(offset: number, width: 1 | 2 | 4): number {
    return width === 4 ? this.#ordered(this.#read(offset)) : 0
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (width === 4) this.#write(offset, this.#ordered(value))
  }

  #read(offset: number): number {
    const at = this.#sourceAt(offset)
    if (at !== null) return (offset & 0x10) === 0 ? this.#ivpr[at]! : this.#idr[at]!
    switch (offset) {
      case global.FRR.offset:
        return FRR.fields.NIRQ.setLo(FRR.fields.VID.setLo(0, 2), this.#options.announced - 1)
      case global.GCR.offset:
        return this.#gcr
      case global.SVR.offset:
        return this.#spurious
      case processor.CTPR.offset:
        return this.#ctpr
      case processor.IACK.offset:
        return this.#acknowledge()
    }
    return this.#readMessages(offset)
  }

  #readMessages(offset: number): number {
    const { firstMessage } = this.#options
    const register = (offset - message.MSIR0.offset) / MSIR_STRIDE
    if (firstMessage === null) return 0
    if (offset === message.MSISR.offset) {
      return this.#messages.reduce((found, one, index) => found | (one === 0 ? 0 : 1 << index), 0)
    }
    if (!Number.isInteger(register) || register < 0 || register >= MSIR_COUNT) return 0
    const value = this.#messages[register]!
    this.#messages[register] = 0
    this.set(firstMessage + register, false)
    return value
  }

  #write(offset: number, value: number): void {
    const at = this.#sourceAt(offset)
    if (at !== null) {
      this.#writeSource(at, offset, value)
      return
    }
    switch (offset) {
      case global.GCR.offset:
        if (GCR.fields.R.get(value) === 1) this.#reset()
        else this.#gcr = GCR.fields.M.setLo(0, GCR.fields.M.get(value))
        break
      case global.SVR.offset:
        this.#spurious = value & this.#vectorMask
        break
      case processor.CTPR.offset:
        this.#ctpr = value & 0xf
        break
      case processor.EOI.offset:
        this.#servicing.pop()
        break
      case message.MSIIR.offset:
        this.message(value >>> 24)
        break
    }
  }

  #writeSource(at: number, offset: number, value: number): void {
    if ((offset & 0x10) !== 0) {
      this.#idr[at] = value
      return
    }
    const kept = A.setLo(0, A.get(this.#ivpr[at]!))
    const internal = at >= this.#options.firstInternal
    const level = internal ? S.setLo(value, 0) : value
    this.#ivpr[at] = (A.setLo(level, 0) | kept) & ~(0xffff & ~this.#vectorMask)
    this.#update(at)
  }

  #isLevel(at: number): boolean {
    return at >= this.#options.firstInternal || S.get(this.#ivpr[at]!) === 1
  }

  #sourceAt(offset: number): number | null {
    const at = Math.floor((offset - source.IVPR.offset) / SOURCE_STRIDE)
    const register = offset % SOURCE_STRIDE
    return at >= 0 && at < this.#options.sources && (register === 0 || register === 0x10) ? at : null
  }

  #update(at: number): void {
    const active = this.#requested[at] === 1 && MSK.get(this.#ivpr[at]!) === 0
    const index = this.#raised.indexOf(at)
    if (active && index < 0) this.#raised.push(at)
    if (!active && index >= 0) this.#raised.splice(index, 1)
    const served = this.#servicing.includes(at)
    this.#ivpr[at] = A.setLo(this.#ivpr[at]!, active || served ? 1 : 0)
  }

  /** The source that the processor would be given now; -1 for none. */
  #next(): number {
    const above = Math.max(this.#ctpr, this.#priority(this.#servicing.at(-1)))
    let found = -1
    for (const at of this.#raised) {
      const priority = this.#priority(at)
      if (priority > above && (found < 0 || priority > this.#priority(found))) found = at
    }
    return found
  }

  #priority(at: number | undefined): number {
    return at === undefined ? 0 : PRIORITY.get(this.#ivpr[at]!)
  }

  #acknowledge(): number {
    const at = this.#next()
    if (at < 0) return this.#spurious
    this.#servicing.push(at)
    if (!this.#isLevel(at)) this.#requested[at] = 0
    this.#update(at)
    return this.#ivpr[at]! & this.#vectorMask
  }

  #ordered(value: number): number {
    return this.#options.bigEndian ? swap32(value) : value >>> 0
  }
}

/** A word in the other byte order. */
export const swap32 = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
