import { FRAME_OWNER, type FrameTable } from './frame-table.ts'

const PAGE = 4096
/** A page that leads nowhere. */
const NOWHERE = -1

/**
 * What the domain's addresses lead to. Where the machine has RAM at an address below the domain's size, it is one of
 * the domain's own pages; everything else is the machine's own address, as the first domain maps it: devices, tables,
 * ROM. RAM that is not the domain's leads nowhere, and so do the interrupt controllers, which Xen keeps to itself.
 */
export class DomainMemory {
  /** Pages that the domain has. */
  readonly pages: number
  readonly #frames: Uint32Array
  readonly #table: FrameTable
  readonly #kept: ReadonlySet<number>
  #shared = NOWHERE

  /** @param kept - frames of registers that Xen lets nobody see */
  constructor(frames: Uint32Array, table: FrameTable, kept: ReadonlySet<number>) {
    this.pages = frames.length
    this.#frames = frames
    this.#table = table
    this.#kept = kept
  }

  /** The page that Xen shares with the domain: at the machine's own address. */
  share(frame: number): void {
    this.#shared = frame
  }

  /** Whether a page is RAM of the domain's. */
  isOwn(page: number): boolean {
    return page < this.pages && this.#table.ownerOf(page) !== FRAME_OWNER.none
  }

  /** The frame behind a page of the domain's; -1 where it has none there. */
  frameOf(page: number): number {
    return this.isOwn(page) ? this.#frames[page]! : NOWHERE
  }

  /** Puts another frame behind a page. */
  map(page: number, frame: number): void {
    this.#frames[page] = frame
  }

  /** The machine's address of one of the domain's; -1 where it leads nowhere. Good to the end of its page. */
  machineAddress(address: number): number {
    const page = Math.floor(address / PAGE)
    if (page < this.pages && this.#table.ownerOf(page) !== FRAME_OWNER.none) {
      return this.#frames[page]! * PAGE + (address % PAGE)
    }
    if (page === this.#shared) return address
    return this.#table.ownerOf(page) !== FRAME_OWNER.none || this.#kept.has(page) ? NOWHERE : address
  }
}
