import type { PageAllocator } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'
import { DOMID_SELF, HYPERVISOR, XEN_MEMORY_EXCHANGE, XENMEM, XENMEMF } from '@dmascope/xen/spec'
import { ANYWHERE } from '../early/page-allocator.ts'
import type { FrameList } from './frame-list.ts'
import { FIRST_LIST, LIST_ENTRIES, SECOND_LIST, setPointer, type XenCalls } from './xen-calls.ts'

const PAGE = 4096
const ZEROS = new Uint8Array(PAGE)

/** Gets frames in a row, and within devices' reach, for pages that have others. */
export class ContiguousMemory {
  readonly #calls: XenCalls
  readonly #frames: FrameList

  constructor(calls: XenCalls, frames: FrameList) {
    this.#calls = calls
    this.#frames = frames
  }

  /**
   * Exchanges the frames behind 2^order pages for as many in a row, below 2^addressBits (Linux's
   * `xen_create_contiguous_region`). What stood in them is lost. False where Xen has none.
   */
  create(start: number, order: number, addressBits: number): boolean {
    const first = start / PAGE
    const count = 2 ** order
    if (count > LIST_ENTRIES) return false
    const given = { entries: this.#frames.framesOf(first, count), order: 0 }
    const frame = this.#exchange(given, { entries: [first], order }, addressBits)?.[0]
    if (frame === undefined) return false
    this.#frames.set(
      first,
      given.entries.map((_, index) => frame + index),
    )
    return true
  }

  /** Gives such a row back, for frames wherever they are. */
  destroy(start: number, order: number): boolean {
    const first = start / PAGE
    const pages = Array.from({ length: 2 ** order }, (_, index) => first + index)
    const got = this.#exchange({ entries: [this.#frames.frameOf(first)], order }, { entries: pages, order: 0 }, 0)
    if (got === null) return false
    this.#frames.set(first, got)
    return true
  }

  #exchange(
    given: { readonly entries: readonly number[]; readonly order: number },
    wanted: { readonly entries: readonly number[]; readonly order: number },
    addressBits: number,
  ): number[] | null {
    const calls = this.#calls
    calls.writeList(FIRST_LIST, given.entries)
    calls.writeList(SECOND_LIST, wanted.entries)
    const asked = new DataView(new ArrayBuffer(XEN_MEMORY_EXCHANGE.size))
    for (const [{ fields }, list, { entries, order }] of [
      [XEN_MEMORY_EXCHANGE.fields.in, FIRST_LIST, given],
      [XEN_MEMORY_EXCHANGE.fields.out, SECOND_LIST, wanted],
    ] as const) {
      setPointer(fields.extent_start, asked, list)
      fields.nr_extents.lo.set(asked, 0, entries.length)
      fields.extent_order.set(asked, 0, order)
      fields.domid.set(asked, 0, DOMID_SELF)
    }
    const { mem_flags } = XEN_MEMORY_EXCHANGE.fields.out.fields
    mem_flags.set(asked, 0, XENMEMF.fields.address_bits.setLo(0, addressBits))
    if (calls.call(HYPERVISOR.memory_op, XENMEM.exchange, asked) !== 0) return null
    return calls.readList(SECOND_LIST, wanted.entries.length)
  }
}

/**
 * Memory that devices and the kernel both use, under Xen: a power of two of pages, and where their frames are not in a
 * row, or out of the device's reach, others for them (Linux's `xen_swiotlb_alloc_coherent`).
 */
export class ContiguousPages implements PageAllocator {
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #frames: FrameList
  readonly #contiguous: ContiguousMemory
  readonly #exchanged = new Set<number>()

  constructor(bus: CpuBus, pages: PageAllocator, frames: FrameList, contiguous: ContiguousMemory) {
    this.#bus = bus
    this.#pages = pages
    this.#frames = frames
    this.#contiguous = contiguous
  }

  /** @param limit - of bus addresses */
  allocate(count: number, limit = ANYWHERE): number | null {
    const order = orderOf(count)
    const bytes = 2 ** order * PAGE
    const address = this.#pages.allocate(2 ** order, ANYWHERE)
    if (address === null) return null
    const bus = this.#frames.toBus(address, bytes)
    if (bus !== null && bus + bytes <= limit) return address
    if (!this.#contiguous.create(address, order, Math.floor(Math.log2(limit)))) {
      this.#pages.free(address, 2 ** order)
      return null
    }
    this.#exchanged.add(address)
    for (let page = address; page < address + bytes; page += PAGE) this.#bus.writeBytes(page, ZEROS)
    return address
  }

  free(address: number, count: number): void {
    const order = orderOf(count)
    // Where Xen has no single frames for it, the row is kept: it serves as well.
    if (this.#exchanged.delete(address)) this.#contiguous.destroy(address, order)
    this.#pages.free(address, 2 ** order)
  }
}

const orderOf = (count: number): number => Math.ceil(Math.log2(count))
