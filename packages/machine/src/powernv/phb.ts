import { IodaUnit, type SeenFault } from '@dmascope/iommu/ioda'
import type { GuestRam, MmioHandler, Window } from '@dmascope/memory'
import type { PciFunction, RootComplex } from '@dmascope/pci'
import { PciWindow } from '../fabric/pci-window.ts'
import type { RunQueue } from '../fabric/run-queue.ts'
import { bridgeWindow } from '../pseries/host-bridge.ts'
import { ESB_PAGE_SHIFT, ESB_SHIFT } from '../pseries/spec/hcalls.ts'
import type { PhbPlace } from './spec/address-map.ts'
import type { XiveSources } from './xive-sources.ts'

const PINS = 4
/** Of the two pages of a source, stores to the first trigger it, and loads from the second acknowledge it. */
const EOI_PAGE = 1 << ESB_PAGE_SHIFT

/** A host bridge to be. */
export interface PlannedPhb {
  readonly place: PhbPlace
  /** It does with faults what the hardware does; QEMU refuses the request, and freezes nothing. */
  readonly asHardware: boolean
  readonly onFault: (fault: SeenFault) => void
}

/** What a host bridge is built into. */
export interface PhbSite {
  readonly ram: GuestRam
  readonly root: RootComplex
  readonly sources: XiveSources
  readonly queue: RunQueue
}

/** A window in memory above 4 GiB, on the bus. */
interface Mem64Bar {
  base: number
  size: number
  enabled: boolean
}

/** A PCI host bridge of a POWER9 chip: a segment of its own, its windows, its IODA tables, its interrupt sources. */
export class Phb {
  /** Also its number for OPAL, and its segment's. */
  readonly index: number
  readonly place: PhbPlace
  readonly root: RootComplex
  readonly unit: IodaUnit
  readonly windows: readonly Window[]
  readonly mem64Bars: readonly Mem64Bar[]
  readonly #sources: XiveSources
  readonly #asserted = new Map<PciFunction, number>()
  readonly #holders = new Uint16Array(PINS)

  constructor({ place, asHardware, onFault }: PlannedPhb, { ram, root, sources, queue }: PhbSite) {
    this.index = place.index
    this.place = place
    this.root = root
    this.unit = new IodaUnit({
      endpoints: this.place.endpoints,
      ram,
      freezes: asHardware,
      checksUntranslated: asHardware,
      onFault,
    })
    this.#sources = sources
    this.mem64Bars = Array.from({ length: this.place.mem64Bars }, () => ({ base: 0, size: 0, enabled: false }))
    const pci = new PciWindow(root, queue)
    const isOpen = (bus: number): boolean =>
      this.mem64Bars.some(({ base, size, enabled }) => enabled && bus >= base && bus < base + size)
    this.windows = [
      bridgeWindow('PCI memory', this.place.mem32, (bus) => pci.find(bus)),
      bridgeWindow('PCI memory', this.place.mem64, (bus) => (isOpen(bus) ? pci.find(bus) : null)),
    ]
    for (let pin = 0; pin < PINS; pin++) sources.claim(this.place.firstLsi + pin, true)
    for (let at = 0; at < this.place.messages; at++) sources.claim(this.place.firstSource + at, false)
  }

  /** Where the event state buffer of one of its sources begins. */
  esbOf(source: number): number {
    return this.place.esb.base + (source - this.place.firstSource) * 2 ** ESB_SHIFT
  }

  /**
   * Its event state buffers.
   *
   * DEVIATION: software loads eight bytes; here a load of any width does once what that would do.
   */
  get esb(): MmioHandler {
    const sourceAt = (offset: number): number => this.place.firstSource + Math.floor(offset / 2 ** ESB_SHIFT)
    return {
      read: (offset) => ((offset & EOI_PAGE) === 0 ? 0 : this.#sources.load(sourceAt(offset), offset & 0xfff)),
      write: (offset) => {
        if ((offset & EOI_PAGE) === 0) this.#sources.trigger(sourceAt(offset))
      },
    }
  }

  /** A message of a function's: bits of its address and of its data say which. */
  message(addressLo: number, data: number): void {
    const source = ((addressLo >>> 4) & 0xffff) | (data & 0x1f)
    if (source < this.place.messages) this.#sources.trigger(this.place.firstSource + source)
  }

  /** A function drives its pin. The bridge's pins are those of its bus, whichever slot a function has there. */
  setPin(one: PciFunction, asserted: boolean): void {
    const held = this.#asserted.get(one)
    if (asserted === (held !== undefined)) return
    if (held !== undefined) {
      this.#asserted.delete(one)
      this.#hold(held, -1)
      return
    }
    const at = this.root.rootInterruptOf(one)
    if (at === null) return
    this.#asserted.set(one, at.pin - 1)
    this.#hold(at.pin - 1, 1)
  }

  #hold(pin: number, change: 1 | -1): void {
    const holders = this.#holders[pin]! + change
    this.#holders[pin] = holders
    if (holders === 0 || (holders === 1 && change === 1)) this.#sources.set(this.place.firstLsi + pin, holders > 0)
  }
}
