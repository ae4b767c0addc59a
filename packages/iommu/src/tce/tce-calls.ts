import type { DmaWindow } from './dma-window.ts'
import type { TceMemory } from './options.ts'
import { HCALL, HCALL_RETURN, MOST_INDIRECT_TCES } from './spec/hcalls.ts'
import type { TceUnit } from './tce-unit.ts'

const { H_SUCCESS, H_FUNCTION, H_PARAMETER, H_NOT_ENOUGH_RESOURCES } = HCALL_RETURN
const PAGE_MASK = 0xfff

/** Words of the arguments, which come as (lo, hi) pairs. */
const LIOBN = 0
const IOBA = 2
const THIRD = 4
const FOURTH = 6

/**
 * The hypervisor calls that change TCE tables, of all the host bridges of a machine. H_PUT_TCE_INDIRECT takes a list of
 * at most 512 entries, H_STUFF_TCE as many pages as the window has.
 */
export class TceCalls {
  readonly #memory: TceMemory
  readonly #units: TceUnit[] = []
  readonly #entry = new Uint8Array(8)
  readonly #view = new DataView(this.#entry.buffer)
  #unit: TceUnit | null = null

  constructor(memory: TceMemory) {
    this.#memory = memory
  }

  /** @throws RangeError where another unit has one of its LIOBNs */
  add(unit: TceUnit): void {
    for (const { liobn } of unit.windows) {
      if (this.#find(liobn, 0) !== null) throw new RangeError(`LIOBN 0x${liobn.toString(16)} is taken`)
    }
    this.#units.push(unit)
  }

  get units(): readonly TceUnit[] {
    return this.#units
  }

  /** The unit that has this LIOBN. */
  unitOf(liobn: number): TceUnit | null {
    return this.#find(liobn, 0) === null ? null : this.#unit
  }

  /**
   * @param args - (lo, hi) pairs, as many as the call has arguments
   * @param out - takes what H_GET_TCE answers, a (lo, hi) pair
   * @returns the call's return code; H_FUNCTION for a number that is none of TCE's
   */
  call(number: number, args: Uint32Array, out: Uint32Array): number {
    if (number === HCALL.H_PUT_TCE) return this.#put(args)
    if (number === HCALL.H_PUT_TCE_INDIRECT) return this.#putIndirect(args)
    if (number === HCALL.H_STUFF_TCE) return this.#stuff(args)
    if (number === HCALL.H_GET_TCE) return this.#get(args, out)
    return H_FUNCTION
  }

  /** Sets `#unit` beside its answer. */
  #find(lo: number, hi: number): DmaWindow | null {
    if (hi !== 0) return null
    for (const unit of this.#units) {
      const window = unit.windowOf(lo)
      if (window === null) continue
      this.#unit = unit
      return window
    }
    return null
  }

  #put(args: Uint32Array): number {
    const window = this.#find(args[LIOBN]!, args[LIOBN + 1]!)
    const page = window?.pageOf(args[IOBA + 1]!, args[IOBA]!) ?? -1
    if (window === null || page < 0) return H_PARAMETER
    return this.#fill(window, page, 1, args[THIRD + 1]!, args[THIRD]!)
  }

  #putIndirect(args: Uint32Array): number {
    const window = this.#find(args[LIOBN]!, args[LIOBN + 1]!)
    const count = args[FOURTH]!
    if (window === null || args[FOURTH + 1] !== 0 || count > MOST_INDIRECT_TCES) return H_PARAMETER
    if ((args[THIRD]! & PAGE_MASK) !== 0) return H_PARAMETER
    const first = window.pageOf(args[IOBA + 1]!, args[IOBA]!)
    if (first < 0 || count === 0) return H_PARAMETER
    const list = args[THIRD + 1]! * 0x1_0000_0000 + args[THIRD]!
    for (let step = 0; step < count; step++) {
      if (first + step >= window.table.entries) return H_PARAMETER
      // What lies outside of memory reads as an entry that grants nothing.
      this.#entry.fill(0)
      this.#memory.ram.readBytes(list + step * 8, this.#entry)
      const result = this.#fill(window, first + step, 1, this.#view.getUint32(0), this.#view.getUint32(4))
      if (result !== H_SUCCESS) return result
    }
    return H_SUCCESS
  }

  #stuff(args: Uint32Array): number {
    const window = this.#find(args[LIOBN]!, args[LIOBN + 1]!)
    const count = args[FOURTH]!
    if (window === null || args[FOURTH + 1] !== 0 || count > window.table.entries) return H_PARAMETER
    const first = window.pageOf(args[IOBA + 1]!, args[IOBA]!)
    if (first < 0 || count === 0) return H_PARAMETER
    const fitting = Math.min(count, window.table.entries - first)
    const result = this.#fill(window, first, fitting, args[THIRD + 1]!, args[THIRD]!)
    return result === H_SUCCESS && fitting < count ? H_PARAMETER : result
  }

  #get(args: Uint32Array, out: Uint32Array): number {
    const window = this.#find(args[LIOBN]!, args[LIOBN + 1]!)
    const page = window?.pageOf(args[IOBA + 1]!, args[IOBA]!) ?? -1
    if (window === null || page < 0) return H_PARAMETER
    const leaf = window.table.leafOf(page)
    out[0] = leaf[(page & 1023) * 2]!
    out[1] = leaf[(page & 1023) * 2 + 1]!
    return H_SUCCESS
  }

  #fill(window: DmaWindow, first: number, count: number, hi: number, lo: number): number {
    return this.#unit!.put(window, first, count, hi, lo) === count ? H_SUCCESS : H_NOT_ENOUGH_RESOURCES
  }
}
