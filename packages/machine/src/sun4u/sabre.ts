import type { Sun4uUnit } from '@dmascope/iommu/sun4u'
import {
  IOMMU_DATA_OFFSET,
  IOMMU_OFFSET,
  IOMMU_TAG_OFFSET,
  IOTLB_ENTRIES,
  SUN4U_IOMMU_REGISTERS,
} from '@dmascope/iommu/sun4u/spec'
import type { MmioHandler, Region, Window } from '@dmascope/memory'
import type { PciFunction, RootComplex } from '@dmascope/pci'
import { PciWindow } from '../fabric/pci-window.ts'
import type { RunQueue } from '../fabric/run-queue.ts'
import { bridgeWindow } from '../pseries/host-bridge.ts'
import { SabreInterrupts } from './sabre-interrupts.ts'
import {
  FIRST_B_INO,
  ONBOARD_INO,
  PCI_CONFIG_BASE,
  PCI_CONFIG_SIZE,
  PCI_IO_BASE,
  PCI_IO_SIZE,
  PCI_MEMORY_BASE,
  PCI_MEMORY_SIZE,
  SABRE,
  SABRE_BASE,
  SABRE_REGISTERS_SIZE,
} from './spec/address-map.ts'

const PINS = 4
/** Of the two functions that lead to the buses. */
const BUS_B_FUNCTION = 0
const PLAIN_WORDS = 0x30 / 4

const swap = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

/** The PCI host bridge of an UltraSPARC-IIi: its registers, its windows, its interrupts, and the IOMMU in front of memory. */
export class Sabre {
  readonly interrupts = new SabreInterrupts()
  readonly windows: readonly Window[]
  /** What stands at fixed places. */
  readonly regions: readonly Region[]
  readonly #root: RootComplex
  readonly #unit: () => Sun4uUnit | null
  readonly #plain = new Uint32Array(PLAIN_WORDS)
  readonly #asserted = new Map<PciFunction, number>()
  readonly #holders = new Map<number, number>()

  /** @param unit - the IOMMU, which is made after the bridge */
  constructor(root: RootComplex, queue: RunQueue, unit: () => Sun4uUnit | null) {
    this.#root = root
    this.#unit = unit
    const pci = new PciWindow(root, queue)
    this.windows = [
      bridgeWindow('PCI I/O', { base: PCI_IO_BASE, bus: 0, size: PCI_IO_SIZE }, (port) => {
        const found = pci.findPort(port)
        if (found === null) return null
        return { name: 'BAR', base: port - found.offset, size: found.offset + 1, kind: 'mmio', handler: found.handler }
      }),
      bridgeWindow('PCI memory', { base: PCI_MEMORY_BASE, bus: 0, size: PCI_MEMORY_SIZE }, (bus) => pci.find(bus)),
    ]
    this.regions = [
      { name: 'sabre', base: SABRE_BASE, size: SABRE_REGISTERS_SIZE, kind: 'mmio', handler: this.#registers() },
      { name: 'PCI config', base: PCI_CONFIG_BASE, size: PCI_CONFIG_SIZE, kind: 'mmio', handler: this.#config() },
    ]
  }

  #config(): MmioHandler {
    return {
      read: (at, width) => this.#root.configRead(at >>> 16, (at >>> 11) & 31, (at >>> 8) & 7, at & 0xff, width),
      write: (at, width, value) =>
        this.#root.configWrite(at >>> 16, (at >>> 11) & 31, (at >>> 8) & 7, at & 0xff, width, value),
    }
  }

  /** Big-endian words: accesses of other widths read nothing and change nothing. */
  #registers(): MmioHandler {
    return {
      read: (offset, width) => (width === 4 && (offset & 3) === 0 ? swap(this.#readWord(offset)) : 0),
      write: (offset, width, value) => {
        if (width === 4 && (offset & 3) === 0) this.#writeWord(offset, swap(value))
      },
    }
  }

  #readWord(offset: number): number {
    const interrupt = this.interrupts.readWord(offset)
    if (interrupt !== null) return interrupt
    const iommu = offset - IOMMU_OFFSET
    if (iommu >= 0 && iommu < SUN4U_IOMMU_REGISTERS.size) return this.#unit()?.readWord(iommu) ?? 0
    const tag = entryAt(offset, IOMMU_TAG_OFFSET)
    if (tag !== null) return (offset & 4) === 0 ? 0 : (this.#unit()?.readTag(tag) ?? 0)
    const data = entryAt(offset, IOMMU_DATA_OFFSET)
    if (data !== null) return (offset & 4) === 0 ? 0 : (this.#unit()?.readData(data) ?? 0)
    return this.#plain[(offset - SABRE.PCICTRL) / 4] ?? 0
  }

  #writeWord(offset: number, value: number): void {
    if (this.interrupts.writeWord(offset, value)) return
    const iommu = offset - IOMMU_OFFSET
    if (iommu >= 0 && iommu < SUN4U_IOMMU_REGISTERS.size) {
      this.#unit()?.writeWord(iommu, value)
      return
    }
    const tag = entryAt(offset, IOMMU_TAG_OFFSET)
    if (tag !== null && (offset & 4) !== 0) this.#unit()?.writeTag(tag)
    const plain = (offset - SABRE.PCICTRL) / 4
    if (plain < 0 || plain >= PLAIN_WORDS) return
    this.#plain[plain] = value
    if (offset === SABRE.PCITASR + 4) this.#unit()?.setTargets(value)
  }

  /** A function drives its pin. */
  setPin(one: PciFunction, asserted: boolean): void {
    const held = this.#asserted.get(one)
    if (asserted === (held !== undefined)) return
    if (held !== undefined) {
      this.#asserted.delete(one)
      this.#hold(held, -1)
      return
    }
    const ino = inoOf(this.#root, one)
    if (ino === null) return
    this.#asserted.set(one, ino)
    this.#hold(ino, 1)
  }

  #hold(ino: number, change: 1 | -1): void {
    const holders = (this.#holders.get(ino) ?? 0) + change
    this.#holders.set(ino, holders)
    if (holders === 0 || (holders === 1 && change === 1)) this.interrupts.setLevel(ino, holders > 0)
  }
}

const entryAt = (offset: number, base: number): number | null =>
  offset >= base && offset < base + IOTLB_ENTRIES * 8 ? (offset - base) >>> 3 : null

/**
 * The number of a function's interrupt: QEMU's `pci_simbaA_map_irq` and `pci_simbaB_map_irq`. Null for one without a pin,
 * and on the root bus, where no wires are.
 */
export function inoOf(root: RootComplex, one: PciFunction): number | null {
  let slot = root.slotOf(one)
  let pin = one.config.interruptPin - 1
  if (pin < 0) return null
  let above = slot.bus.bridgeSlot
  while (above !== null && above.bus.bridgeSlot !== null) {
    pin = (pin + slot.device) % PINS
    slot = above
    above = slot.bus.bridgeSlot
  }
  if (above === null) return null
  if (above.fn === BUS_B_FUNCTION) return (FIRST_B_INO + slot.device * PINS + pin) & 0x1f
  return ONBOARD_INO[slot.device] ?? (slot.device * PINS + pin) & 0x1f
}
