import type { IommuDomain, PageAllocator } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { Opal } from '../../powernv/opal.ts'
import { OPAL_PCI_TCE_KILL, TCE_KILL_PAGES } from '../../spec/opal.ts'

const PAGE = 4096
const PAGE_SHIFT = 12
const ENTRY = 8
const READ_WRITE = 3

/** Which endpoint a table is of: whose copies are killed. */
export interface TableOwner {
  readonly phb: number
  readonly endpoint: number
}

/**
 * A TCE table of two levels in memory, for a window at bus address 0 with pages of 4 KiB. Its lower tables are made when
 * something is first mapped there, as in Linux (`pnv_tce` with on-demand allocation).
 */
export class TceLevels {
  /** Address of the upper table. */
  readonly base: number
  /** Bytes of a table of either level. */
  readonly levelBytes: number
  readonly windowSize: number
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #entryShift: number

  private constructor(bus: CpuBus, pages: PageAllocator, base: number, entryShift: number, windowSize: number) {
    this.#bus = bus
    this.#pages = pages
    this.base = base
    this.#entryShift = entryShift
    this.levelBytes = 2 ** entryShift * ENTRY
    this.windowSize = windowSize
  }

  /** @param windowSize - a power of two, a page at least. @returns null without memory */
  static create(bus: CpuBus, pages: PageAllocator, windowSize: number): TceLevels | null {
    const entries = Math.log2(windowSize) - PAGE_SHIFT
    const entryShift = Math.max(Math.ceil(entries / 2), PAGE_SHIFT - 3)
    const base = pages.allocate((2 ** entryShift * ENTRY) / PAGE)
    return base === null ? null : new TceLevels(bus, pages, base, entryShift, windowSize)
  }

  /** Both multiples of a page, within the window. False where memory ran out; what was put in is out again then. */
  set(offset: number, physical: number, length: number, access: number): boolean {
    for (let done = 0; done < length; done += PAGE) {
      const at = this.#entryAt(offset + done, true)
      if (at === null) {
        this.clear(offset, done)
        return false
      }
      this.#put(at, physical + done + access)
    }
    return true
  }

  clear(offset: number, length: number): void {
    for (let done = 0; done < length; done += PAGE) {
      const at = this.#entryAt(offset + done, false)
      if (at !== null) this.#put(at, 0)
    }
  }

  #entryAt(offset: number, make: boolean): number | null {
    const index = Math.floor(offset / PAGE)
    const inner = 2 ** this.#entryShift
    const upper = this.base + Math.floor(index / inner) * ENTRY
    const bytes = new Uint8Array(ENTRY)
    this.#bus.readBytes(upper, bytes)
    const view = new DataView(bytes.buffer)
    let table = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4)
    if (table === 0) {
      const made = make ? this.#pages.allocate(this.levelBytes / PAGE) : null
      if (made === null) return null
      this.#put(upper, made + READ_WRITE)
      table = made + READ_WRITE
    }
    return table - READ_WRITE + (index % inner) * ENTRY
  }

  #put(at: number, entry: number): void {
    const bytes = new DataView(new ArrayBuffer(ENTRY))
    bytes.setUint32(0, Math.floor(entry / 0x1_0000_0000))
    bytes.setUint32(4, entry % 0x1_0000_0000)
    this.#bus.writeBytes(at, new Uint8Array(bytes.buffer))
  }
}

/** The window as the domain that the DMA API maps in. What the bridge keeps of entries is killed with each change. */
export function windowDomain(table: TceLevels, owner: TableOwner, opal: Opal): IommuDomain {
  const kill = (iova: number, length: number): void =>
    void opal.call(OPAL_PCI_TCE_KILL, owner.phb, TCE_KILL_PAGES, owner.endpoint, PAGE, iova, length / PAGE)
  return {
    type: 'dma',
    apertureEnd: table.windowSize,
    map(iova, physical, length, access) {
      // Writing goes with reading (`pnv_tce_build`).
      const done = table.set(iova, physical, length, access === 1 ? 1 : READ_WRITE)
      kill(iova, length)
      return done
    },
    unmap(iova, length) {
      table.clear(iova, length)
      kill(iova, length)
    },
    flush: () => {},
  }
}
