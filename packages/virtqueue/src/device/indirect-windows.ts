import type { DmaPort, RingView } from '@dmascope/memory'
import { ACCESS_READ } from '@dmascope/memory'
import { wordsOf } from './ring-part.ts'

/** A power of two. */
const WINDOWS = 16
const PAGE_BYTES = 4096

/** A page that indirect tables lie in, as one batch of work sees it. */
export interface IndirectWindow {
  /** The page's 1024 words; null where the port gives no view of it. */
  readonly words: Uint32Array | null
  /** Descriptors read through it since the ledger was told. */
  descriptors: number
}

class Window implements IndirectWindow {
  hi = -1
  page = -1
  batch = -1
  view: RingView | null = null
  words: Uint32Array | null = null
  descriptors = 0
}

/**
 * Views of the pages that a driver's indirect tables lie in, kept from batch to batch: drivers allocate the tables
 * from a few pages over and over, and to ask for a view of each costs more than to walk it.
 */
export class IndirectWindows {
  readonly #port: DmaPort
  #used = false
  #batch = 0
  /** Each is made when it is first looked through: many a queue has no indirect tables. */
  readonly #windows: (Window | null)[] = new Array<Window | null>(WINDOWS).fill(null)

  constructor(port: DmaPort) {
    this.#port = port
  }

  /** From now on each view is asked about again before it is used. */
  nextBatch(): void {
    this.#batch = (this.#batch + 1) | 0
  }

  /** The window that holds bus address (hi, lo), which is at `lo % 4096` in it. */
  find(hi: number, lo: number): IndirectWindow {
    this.#used = true
    const window = this.#windows[(lo >>> 12) & (WINDOWS - 1)] ?? this.#make((lo >>> 12) & (WINDOWS - 1))
    if (window.page === lo >>> 12 && window.hi === hi && window.batch === this.#batch) return window
    return this.#load(window, hi, lo >>> 12)
  }

  #make(index: number): Window {
    const window = new Window()
    this.#windows[index] = window
    return window
  }

  #load(window: Window, hi: number, page: number): Window {
    const same = window.page === page && window.hi === hi
    if (!(same && window.view !== null && this.#port.isCurrent(window.view))) {
      this.#account(window)
      window.view = this.#port.view(hi, page * PAGE_BYTES, PAGE_BYTES, ACCESS_READ)
      window.words = window.view === null ? null : wordsOf(window.view)
      if (window.words === null) window.view = null
      window.hi = hi
      window.page = page
    }
    window.batch = this.#batch
    return window
  }

  #account(window: Window): void {
    if (window.view !== null && window.descriptors > 0) {
      this.#port.account(window.view, window.descriptors, 0, window.descriptors * 16)
    }
    window.descriptors = 0
  }

  /** Tells the ledger what was read since the last call. */
  account(): void {
    if (!this.#used) return
    this.#used = false
    for (const window of this.#windows) if (window !== null && window.descriptors > 0) this.#account(window)
  }
}
