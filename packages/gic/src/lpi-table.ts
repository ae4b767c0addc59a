import { IDLE_PRIORITY } from './interrupt-bank.ts'
import { FIRST_LPI } from './spec/distributor.ts'
import { LPI_PROPERTY } from './spec/redistributor.ts'

/** LPIs have numbers of at most this many bits. */
export const LPI_ID_BITS = 16
const END = 1 << LPI_ID_BITS
/** Not read yet. */
const UNKNOWN = -1

/**
 * A redistributor's LPIs: which are pending, and what it has cached of their configuration table in memory.
 *
 * DEVIATION: the pending table in memory is neither read nor written. It tells software nothing while LPIs are enabled.
 */
export class LpiTable {
  readonly #readByte: (address: number) => number
  readonly #pending = new Uint32Array(END / 32)
  readonly #properties = new Int16Array(END).fill(UNKNOWN)
  #count = 0
  #enabled = false
  /** Address of the configuration of LPI 8192. */
  #base = 0
  #idBits = 0
  #highest = -1
  #highestPriority = IDLE_PRIORITY

  /** @param readByte - reads physical memory */
  constructor(readByte: (address: number) => number) {
    this.#readByte = readByte
  }

  /** The pending and enabled LPI of the highest priority, and of those the lowest; -1 where there is none. */
  get highest(): number {
    return this.#highest
  }

  get highestPriority(): number {
    return this.#highestPriority
  }

  /** LPIs that the redistributor can have now. */
  get end(): number {
    return this.#enabled ? Math.min(2 ** this.#idBits, END) : 0
  }

  /** GICR_CTLR.EnableLPIs went up with this table; nothing is cached of it. */
  enable(base: number, idBits: number): void {
    this.#enabled = true
    this.#base = base
    this.#idBits = idBits
    this.forgetAll()
  }

  disable(): void {
    this.#enabled = false
    this.#pending.fill(0)
    this.#count = 0
    this.#settle()
  }

  /** Makes an LPI pending. False where there is no such LPI here. */
  raise(intid: number): boolean {
    if (intid < FIRST_LPI || intid >= this.end) return false
    const word = intid >>> 5
    const bit = 1 << (intid & 31)
    if ((this.#pending[word]! & bit) !== 0) return true
    this.#pending[word]! |= bit
    this.#count++
    const property = this.#propertyOf(intid)
    if (isEnabled(property)) this.#offer(intid, priorityOf(property))
    return true
  }

  /** No longer pending. */
  clear(intid: number): void {
    if (intid < FIRST_LPI || intid >= END) return
    const word = intid >>> 5
    const bit = 1 << (intid & 31)
    if ((this.#pending[word]! & bit) === 0) return
    this.#pending[word]! &= ~bit
    this.#count--
    if (intid === this.#highest) this.#settle()
  }

  /** The processor takes it. */
  take(intid: number): void {
    this.clear(intid)
  }

  isPending(intid: number): boolean {
    return intid < END && (this.#pending[intid >>> 5]! & (1 << (intid & 31))) !== 0
  }

  /** What is cached of this LPI's configuration is read anew. */
  forget(intid: number): void {
    if (intid >= END) return
    this.#properties[intid] = UNKNOWN
    if (this.isPending(intid)) this.#settle()
  }

  forgetAll(): void {
    this.#properties.fill(UNKNOWN)
    this.#settle()
  }

  #propertyOf(intid: number): number {
    let property = this.#properties[intid]!
    if (property === UNKNOWN) {
      property = this.#readByte(this.#base + intid - FIRST_LPI) & 0xff
      this.#properties[intid] = property
    }
    return property
  }

  #offer(intid: number, priority: number): void {
    if (priority > this.#highestPriority || (priority === this.#highestPriority && intid > this.#highest)) return
    this.#highest = intid
    this.#highestPriority = priority
  }

  #settle(): void {
    this.#highest = -1
    this.#highestPriority = IDLE_PRIORITY
    let left = this.#count
    for (let word = FIRST_LPI / 32; left > 0 && word < this.#pending.length; word++) {
      for (let rest = this.#pending[word]!; rest !== 0; rest &= rest - 1) {
        left--
        const intid = word * 32 + 31 - Math.clz32(rest & -rest)
        const property = this.#propertyOf(intid)
        if (isEnabled(property)) this.#offer(intid, priorityOf(property))
      }
    }
  }
}

const { Enable, Priority } = LPI_PROPERTY.fields
const isEnabled = (property: number): boolean => (property & Enable.loMask) !== 0
/** The two bits below those of the table are zero. */
const priorityOf = (property: number): number => property & Priority.loMask
