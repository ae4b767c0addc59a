import type { IommuDomain, PageAllocator } from '@dmascope/dma'
import { DART_CNTL_U3, DART_PAGE_SHIFT, DART_U3, DARTMAP, ENTRIES_A_PAGE } from '@dmascope/iommu/dart/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import { allocateAligned } from '../../early/aligned-pages.ts'
import { bigEndian, type WordRegisters } from '../../openpic/byte-order.ts'

const PAGE = 2 ** DART_PAGE_SHIFT
/** The longest that there is: 2 MiB, for a window of 2 GiB. */
const TABLE_PAGES = 512
const ENTRIES = TABLE_PAGES * ENTRIES_A_PAGE
const { BASE, FLUSHTLB, ENABLE, SIZE } = DART_CNTL_U3.fields
const VALID = DARTMAP.fields.VALID.loMask
/** Linux tries five times, longer each time, and panics then. */
const MOST_POLLS = 31

/** The size of the window in bytes. */
export const DART_WINDOW = ENTRIES * PAGE

/**
 * The table of a U3’s DART, in memory. No entry of it is ever invalid: what maps nothing leads to a page that is nobody’s,
 * since bridges read ahead into what is not mapped. So a stray access is no fault.
 *
 * DEVIATION: the table is aligned to its size, not to 16 MiB.
 */
export class DartTable {
  readonly #bus: CpuBus
  readonly #words: WordRegisters
  readonly #registers: number
  readonly #base: number
  /** The page of what maps nothing. */
  readonly emptyPage: number
  /** The TLB did not flush. */
  stuck = false

  private constructor(bus: CpuBus, registers: number, base: number, emptyPage: number) {
    this.#bus = bus
    this.#words = bigEndian(bus)
    this.#registers = registers
    this.#base = base
    this.emptyPage = emptyPage
  }

  /** Makes the table and turns the DART on (`dart_init`). Null without memory. */
  static create(bus: CpuBus, pages: PageAllocator, registers: number): DartTable | null {
    const base = allocateAligned(pages, TABLE_PAGES)
    const emptyPage = base === null ? null : pages.allocate(1)
    if (base === null || emptyPage === null) return null
    const table = new DartTable(bus, registers, base, emptyPage)
    table.#fill(0, ENTRIES, emptyPage, 0)
    // The field has no room for the number of pages, of which the last nine bits are all 0: that stands for it.
    const size = SIZE.setLo(ENABLE.setLo(0, 1), TABLE_PAGES % 512)
    table.#write(BASE.setLo(size, base / PAGE))
    table.#flush()
    return table
  }

  get domain(): IommuDomain {
    return {
      type: 'dma',
      apertureEnd: DART_WINDOW,
      map: (iova, physical, length) => {
        this.#fill(iova / PAGE, length / PAGE, physical, PAGE)
        // `dart_build` marks the table as changed, and `dart_flush` has all forgotten.
        this.#flush()
        return true
      },
      // Nothing is forgotten until something is mapped again.
      unmap: (iova, length) => this.#fill(iova / PAGE, length / PAGE, this.emptyPage, 0),
      flush: () => {},
    }
  }

  /** Entries [first, first + count), for pages from `physical` on, `step` bytes apart. */
  #fill(first: number, count: number, physical: number, step: number): void {
    const bytes = new Uint8Array(count * 4)
    const view = new DataView(bytes.buffer)
    for (let index = 0; index < count; index++) {
      view.setUint32(index * 4, (VALID | ((physical + index * step) / PAGE)) >>> 0)
    }
    this.#bus.writeBytes(this.#base + first * 4, bytes)
  }

  #flush(): void {
    this.#write(FLUSHTLB.setLo(this.#read(), 1))
    for (let poll = 0; poll < MOST_POLLS; poll++) if (FLUSHTLB.get(this.#read()) === 0) return
    this.stuck = true
  }

  #read(): number {
    return this.#words.read(this.#registers + DART_U3.registers.DART_CNTL.offset)
  }

  #write(value: number): void {
    this.#words.write(this.#registers + DART_U3.registers.DART_CNTL.offset, value)
  }
}
