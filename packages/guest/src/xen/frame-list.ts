import type { BusView } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'

const PAGE = 4096
const NONE = -1

/**
 * The domain's pages, and the machine's frames behind them: the list that Xen made, which the kernel goes on keeping
 * (Linux's p2m). To devices without an IOMMU of the machine's, memory is where these frames are.
 */
export class FrameList implements BusView {
  readonly kind = 'xen'
  readonly #bus: CpuBus
  readonly #address: number
  readonly #pages: number

  constructor(bus: CpuBus, address: number, pages: number) {
    this.#bus = bus
    this.#address = address
    this.#pages = pages
  }

  /** Where the list itself lies, in bytes. */
  get range(): { readonly start: number; readonly end: number } {
    return { start: this.#address, end: this.#address + Math.ceil((this.#pages * 8) / PAGE) * PAGE }
  }

  /** The frame behind a page; -1 where there is none. */
  frameOf(page: number): number {
    if (page >= this.#pages) return NONE
    const at = this.#address + page * 8
    // A frame that 32 bits do not hold is one of Linux's marks, and no memory.
    return this.#bus.read32(at + 4) === 0 ? this.#bus.read32(at) : NONE
  }

  /** The frames behind pages in a row. */
  framesOf(page: number, count: number): number[] {
    const view = new DataView(new ArrayBuffer(count * 8))
    this.#bus.readBytes(this.#address + page * 8, new Uint8Array(view.buffer))
    return Array.from({ length: count }, (_, index) => view.getUint32(index * 8, true))
  }

  /** Xen has put other frames behind pages in a row. */
  set(page: number, frames: readonly number[]): void {
    const view = new DataView(new ArrayBuffer(frames.length * 8))
    for (const [index, frame] of frames.entries()) view.setUint32(index * 8, frame, true)
    this.#bus.writeBytes(this.#address + page * 8, new Uint8Array(view.buffer))
  }

  /** Frame by frame, as Linux's `range_straddles_page_boundary` asks: null where they are not in a row. */
  toBus(cpu: number, length: number): number | null {
    const first = Math.floor(cpu / PAGE)
    const last = Math.floor((cpu + Math.max(length, 1) - 1) / PAGE)
    const frame = this.frameOf(first)
    if (frame === NONE) return null
    for (let page = first + 1; page <= last; page++) if (this.frameOf(page) !== frame + page - first) return null
    return frame * PAGE + (cpu % PAGE)
  }

  /** Any page may have a frame that the device reaches, and get one for the asking. */
  cpuEnd(busEnd: number): number {
    return busEnd
  }
}
