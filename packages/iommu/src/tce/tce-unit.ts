import type { Access } from '@dmascope/memory'
import { AccessFaults } from '../access-faults.ts'
import { passMessage } from '../pass-message.ts'
import type { Fault, Msi, RequesterId, Translation, Translator } from '../translator.ts'
import { UNSUPPORTED_REQUEST } from '../translator.ts'
import { DmaWindow } from './dma-window.ts'
import { TCE_FAULTS } from './faults.ts'
import { completeFeatures, type SeenFault, type TceFeatures, type TceOptions } from './options.ts'

const DEFAULT_PAGE_SHIFT = 12
/** Entries share these, by the lower bits of their numbers: one that changes ends copies of a few others too. */
const EPOCHS = 4096

/**
 * The TCE tables of one PCI host bridge: a default window and a dynamic one. All that is below the bridge shares them,
 * whichever requester ID it has. They change through hypervisor calls alone, each of which is in force when it returns:
 * there is no invalidation that a guest could forget.
 *
 * DEVIATION: a fault freezes nothing. Where a bridge has Enhanced I/O Error Handling, the platform would stop the
 * partitionable endpoint; QEMU's emulated bridges have none, and refuse the access alone.
 */
export class TceUnit implements Translator {
  readonly features: TceFeatures
  readonly epochs = new Uint32Array(EPOCHS)
  /** The default window's LIOBN, and the dynamic one's. */
  readonly windows: readonly [DmaWindow, DmaWindow]
  readonly #first: DmaWindow
  readonly #second: DmaWindow
  readonly #faults: AccessFaults

  constructor(options: TceOptions = {}) {
    this.features = completeFeatures(options)
    this.#first = new DmaWindow(this.features.liobns[0])
    this.#second = new DmaWindow(this.features.liobns[1])
    this.windows = [this.#first, this.#second]
    this.#faults = new AccessFaults(options.onFault)
    this.reset()
  }

  /** The first faults, in order; at most 1024. */
  get faultsSeen(): readonly SeenFault[] {
    return this.#faults.seen
  }

  /** All faults. */
  get faultCount(): number {
    return this.#faults.count
  }

  translate(
    requester: RequesterId,
    _pasid: number,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    if (kind !== 'untranslated') return this.#unsupported(requester, hi, lo, access)
    let window = this.#first
    let index = window.pageOf(hi, lo)
    if (index < 0) {
      window = this.#second
      index = window.pageOf(hi, lo)
      if (index < 0) return this.#deny(requester, hi, lo, access, TCE_FAULTS.outsideWindows)
    }
    const leaf = window.table.leafOf(index)
    const word = (index & 1023) * 2
    const tceLo = leaf[word]!
    const rights = tceLo & 3
    if ((rights & access) !== access) return this.#refuse(requester, hi, lo, access, rights)
    const shift = window.pageShift
    const tceHi = leaf[word + 1]!
    if (shift < 32) {
      const inner = (1 << shift) - 1
      out.hi = tceHi
      out.lo = ((tceLo & ~inner) | (lo & inner)) >>> 0
    } else {
      const inner = (1 << (shift - 32)) - 1
      out.hi = ((tceHi & ~inner) | (hi & inner)) >>> 0
      out.lo = lo >>> 0
    }
    out.log2Size = shift
    out.rights = rights
    out.tag = index & (EPOCHS - 1)
    out.route = 'translated'
    return 0
  }

  /** Messages go to a window of their own, which no TCE reaches. */
  remapInterrupt(_source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    return passMessage(hi, lo, data, out)
  }

  #refuse(requester: RequesterId, hi: number, lo: number, access: Access, rights: number): Fault {
    const { notMapped, notReadable, notWritable } = TCE_FAULTS
    const why = rights === 0 ? notMapped : (access & ~rights & 2) !== 0 ? notWritable : notReadable
    return this.#deny(requester, hi, lo, access, why)
  }

  #deny(
    requester: RequesterId,
    hi: number,
    lo: number,
    access: Access,
    why: (typeof TCE_FAULTS)[keyof typeof TCE_FAULTS],
  ): Fault {
    this.#faults.tell(requester, hi, lo, access, why.value, why.text)
    return why.value
  }

  #unsupported(requester: RequesterId, hi: number, lo: number, access: Access): Fault {
    const text = 'address translation services, which the bridge does not have'
    this.#faults.tell(requester, hi, lo, access, UNSUPPORTED_REQUEST, text)
    return UNSUPPORTED_REQUEST
  }

  /** The window that a LIOBN names, open or not. */
  windowOf(liobn: number): DmaWindow | null {
    return this.#first.liobn === liobn ? this.#first : this.#second.liobn === liobn ? this.#second : null
  }

  /** Windows that are open: of a host bridge without dynamic windows, one at most. */
  get openWindows(): number {
    return (this.#first.isOpen ? 1 : 0) + (this.#second.isOpen ? 1 : 0)
  }

  /**
   * Puts an entry into `count` pages of a window from `first` on, which must all be in, and ends the copies of what
   * stood there.
   *
   * @returns pages that were done: fewer than `count` where the hypervisor has no more room
   */
  put(window: DmaWindow, first: number, count: number, hi: number, lo: number): number {
    const done = window.table.fill(first, count, hi, lo)
    this.#endCopies(first, done)
    return done
  }

  #endCopies(first: number, count: number): void {
    const epochs = this.epochs
    const ended = Math.min(count, EPOCHS)
    for (let step = 0; step < ended; step++) {
      const tag = (first + step) & (EPOCHS - 1)
      epochs[tag] = epochs[tag]! + 1
    }
  }

  /**
   * Opens the LIOBN that is free for it as a window of 2^windowShift bytes: where the default window would stand if no
   * window is open, else where dynamic ones do.
   *
   * @returns null where both are open, or where there would be 2^32 entries or more
   */
  openDynamic(pageShift: number, windowShift: number): DmaWindow | null {
    const free = this.windows.find((one) => !one.isOpen)
    if (free === undefined || windowShift - pageShift >= 32) return null
    const entries = 2 ** (windowShift - pageShift)
    const { defaultWindowBase, dynamicWindowHi } = this.features
    if (this.openWindows === 0) {
      free.open(Math.floor(defaultWindowBase / 0x1_0000_0000), defaultWindowBase >>> 0, pageShift, entries, false)
    } else free.open(dynamicWindowHi, 0, pageShift, entries, false)
    return free
  }

  close(window: DmaWindow): void {
    window.close()
    this.#endCopies(0, EPOCHS)
  }

  /** The default window alone, empty: as at power-on, and as ibm,reset-pe-dma-window leaves it. */
  reset(): void {
    for (const window of this.windows) window.close()
    const { defaultWindowBase, defaultWindowSize } = this.features
    const hi = Math.floor(defaultWindowBase / 0x1_0000_0000)
    this.#first.open(hi, defaultWindowBase >>> 0, DEFAULT_PAGE_SHIFT, defaultWindowSize / 4096, true)
    this.#endCopies(0, EPOCHS)
  }
}
