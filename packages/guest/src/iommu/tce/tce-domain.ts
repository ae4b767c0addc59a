import type { IommuDomain } from '@dmascope/dma'
import { HCALL, MOST_INDIRECT_TCES } from '@dmascope/iommu/tce/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { HypervisorCalls } from '../../pseries/hypervisor.ts'

const PAGE = 4096

/** A DMA window as the kernel knows it: a table of pages of one size. */
export interface KnownWindow {
  readonly liobn: number
  /** Bus address of its first page, an unsigned pair. */
  readonly hi: number
  readonly lo: number
  readonly pageShift: number
  /** log2 of its bytes. */
  readonly windowShift: number
}

/** TCE calls on one window, with a page for the lists of entries. */
export class TceTable {
  readonly window: KnownWindow
  readonly #calls: HypervisorCalls
  readonly #bus: CpuBus
  readonly #list: number
  readonly #bytes = new Uint8Array(MOST_INDIRECT_TCES * 8)
  readonly #view = new DataView(this.#bytes.buffer)

  /** @param list - a page of memory that the hypervisor reads entries from */
  constructor(window: KnownWindow, calls: HypervisorCalls, bus: CpuBus, list: number) {
    this.window = window
    this.#calls = calls
    this.#bus = bus
    this.#list = list
  }

  /**
   * Puts entries for `length` bytes of memory at `offset` into the window; both multiples of its page size. One entry
   * goes in by itself, more by lists of 512.
   */
  set(offset: number, physical: number, length: number, access: 1 | 2 | 3): boolean {
    const size = 2 ** this.window.pageShift
    const count = length / size
    for (let done = 0; done < count; ) {
      const run = Math.min(count - done, MOST_INDIRECT_TCES)
      const first = physical + done * size
      const result =
        run === 1
          ? this.#one(offset + done * size, first, access)
          : this.#many(offset + done * size, first, run, access)
      if (result !== 0) {
        if (done > 0) this.clear(offset, done * size)
        return false
      }
      done += run
    }
    return true
  }

  #one(offset: number, physical: number, access: number): number {
    const [hi, lo] = this.#at(offset)
    return this.#calls.callAt(HCALL.H_PUT_TCE, this.window.liobn, hi, lo, physical + access)
  }

  #many(offset: number, physical: number, count: number, access: number): number {
    const size = 2 ** this.window.pageShift
    for (let index = 0; index < count; index++) {
      const entry = physical + index * size + access
      this.#view.setUint32(index * 8, Math.floor(entry / 0x1_0000_0000))
      this.#view.setUint32(index * 8 + 4, entry % 0x1_0000_0000)
    }
    this.#bus.writeBytes(this.#list, this.#bytes.subarray(0, count * 8))
    const [hi, lo] = this.#at(offset)
    return this.#calls.callAt(HCALL.H_PUT_TCE_INDIRECT, this.window.liobn, hi, lo, this.#list, count)
  }

  clear(offset: number, length: number): void {
    const size = 2 ** this.window.pageShift
    for (let done = 0; done < length / size; done += MOST_INDIRECT_TCES) {
      const [hi, lo] = this.#at(offset + done * size)
      const count = Math.min(length / size - done, MOST_INDIRECT_TCES)
      this.#calls.callAt(HCALL.H_STUFF_TCE, this.window.liobn, hi, lo, 0, count)
    }
  }

  /** The bus address at an offset in the window. */
  #at(offset: number): readonly [hi: number, lo: number] {
    const low = this.window.lo + (offset % 0x1_0000_0000)
    const high = this.window.hi + Math.floor(offset / 0x1_0000_0000) + (low >= 0x1_0000_0000 ? 1 : 0)
    return [high >>> 0, low >>> 0]
  }
}

/** The default window, as the domain that the DMA API maps in. What is cleared is invalid at once. */
export function defaultWindowDomain(table: TceTable): IommuDomain {
  const start = table.window.hi * 0x1_0000_0000 + table.window.lo
  return {
    type: 'dma',
    apertureEnd: start + 2 ** table.window.windowShift,
    map: (iova, physical, length, access) => table.set(iova - start, physical, length, access),
    unmap: (iova, length) => table.clear(iova - start, length),
    flush: () => {},
  }
}

/** Addresses of the default window that are not given out: what lies before it, and page 0, as Linux has it. */
export const reservedBefore = ({ hi, lo }: KnownWindow): { readonly start: number; readonly end: number } => ({
  start: 0,
  end: Math.max(hi * 0x1_0000_0000 + lo, PAGE),
})
