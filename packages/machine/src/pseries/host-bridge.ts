import type { TceUnit } from '@dmascope/iommu/tce'
import type { Region, Window } from '@dmascope/memory'
import type { PciFunction, RootComplex } from '@dmascope/pci'
import { PciWindow } from '../fabric/pci-window.ts'
import type { RunQueue } from '../fabric/run-queue.ts'
import type { InterruptSources } from './interrupt-sources.ts'
import { type BridgeWindow, type HostBridgePlace, hostBridgePlace } from './spec/address-map.ts'

const PINS = 4

/** The messages that software has asked a function's device to have. */
interface GivenMessages {
  readonly first: number
  readonly count: number
}

/** A PCI host bridge of a pseries machine: a segment of its own, its windows, its DMA windows, its interrupts. */
export class HostBridge {
  readonly index: number
  readonly place: HostBridgePlace
  readonly root: RootComplex
  readonly unit: TceUnit
  readonly windows: readonly Window[]
  /** By configuration address. */
  readonly messages = new Map<number, GivenMessages>()
  readonly #sources: InterruptSources
  readonly #asserted = new Map<PciFunction, number>()
  readonly #holders = new Uint16Array(PINS)

  constructor(index: number, root: RootComplex, unit: TceUnit, sources: InterruptSources, queue: RunQueue) {
    this.index = index
    this.place = hostBridgePlace(index)
    this.root = root
    this.unit = unit
    this.#sources = sources
    const pci = new PciWindow(root, queue)
    const { io, mem32, mem64 } = this.place
    this.windows = [
      bridgeWindow('PCI I/O', io, (bus) => portRegion(pci, bus)),
      bridgeWindow('PCI memory', mem32, (bus) => pci.find(bus)),
      bridgeWindow('PCI memory', mem64, (bus) => pci.find(bus)),
    ]
    for (let pin = 0; pin < PINS; pin++) sources.claim(this.place.firstLsi + pin, true)
  }

  /** A function drives its pin. Pins turn by slot. */
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
    const pin = (at.device + at.pin - 1) % PINS
    this.#asserted.set(one, pin)
    this.#hold(pin, 1)
  }

  #hold(pin: number, change: 1 | -1): void {
    const holders = this.#holders[pin]! + change
    this.#holders[pin] = holders
    if (holders === 0 || (holders === 1 && change === 1)) this.#sources.set(this.place.firstLsi + pin, holders > 0)
  }
}

/** A function's ports, where they are memory. */
export const portRegion = (pci: PciWindow, port: number): Region | null => {
  const found = pci.findPort(port)
  if (found === null) return null
  return { name: 'BAR', base: port - found.offset, size: found.offset + 1, kind: 'mmio', handler: found.handler }
}

/** CPU addresses lead to bus addresses at a fixed distance. */
export function bridgeWindow(name: string, window: BridgeWindow, find: (bus: number) => Region | null): Window {
  const distance = window.base - window.bus
  const moved = new WeakMap<Region, Region>()
  return {
    name,
    base: window.base,
    size: window.size,
    find(address) {
      const found = find(address - distance)
      if (found === null) return null
      let region = moved.get(found)
      if (region === undefined) {
        region = { ...found, base: found.base + distance }
        moved.set(found, region)
      }
      return region
    },
  }
}
