const PAGE_SHIFT = 12
/** Pages of one piece of the map: 2 MiB of memory. */
const PIECE_PAGES = 512
const PIECE_WORDS = PIECE_PAGES / 32

/**
 * Which pages of memory a guest has opened to its hypervisor's devices. All are private at first; the map grows with what
 * is opened.
 */
export class PageStates {
  readonly #pieces: (Uint32Array | undefined)[] = []

  /** @param page - the page's number: its address by 4096 */
  isOpen(page: number): boolean {
    const piece = this.#pieces[Math.floor(page / PIECE_PAGES)]
    const within = page % PIECE_PAGES
    return piece !== undefined && ((piece[within >>> 5]! >>> (within & 31)) & 1) === 1
  }

  /** Whether all of [address, address + length) lies in open pages. */
  covers(address: number, length: number): boolean {
    const last = pageOf(address + Math.max(length, 1) - 1)
    for (let page = pageOf(address); page <= last; page++) if (!this.isOpen(page)) return false
    return true
  }

  /** @returns whether that changed anything */
  set(page: number, open: boolean): boolean {
    if (this.isOpen(page) === open) return false
    const at = Math.floor(page / PIECE_PAGES)
    const within = page % PIECE_PAGES
    const piece = this.#pieces[at] ?? new Uint32Array(PIECE_WORDS)
    this.#pieces[at] = piece
    piece[within >>> 5] = (piece[within >>> 5]! ^ (1 << (within & 31))) >>> 0
    return true
  }

  /** Makes every page private again. */
  clear(): void {
    this.#pieces.length = 0
  }
}

export const pageOf = (address: number): number => Math.floor(address / 2 ** PAGE_SHIFT)
