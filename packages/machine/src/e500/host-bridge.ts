import type { AddressSpace, MmioHandler, PortHandler, Region, Window } from '@dmascope/memory'
import type { RootComplex } from '@dmascope/pci'
import { StaticFunction } from '../chipset/static-function.ts'
import { PciWindow } from '../fabric/pci-window.ts'
import type { RunQueue } from '../fabric/run-queue.ts'
import type { InboundMap } from '../inbound/inbound-map.ts'
import { swap32 } from '../openpic/open-pic.ts'
import { bridgeWindow, portRegion } from '../pseries/host-bridge.ts'
import { CCSR, CCSR_PCI } from './spec/address-map.ts'
import { INBOUND, INBOUND_AT, OUTBOUND, OUTBOUND_AT, PCI_CONFIGURATION, PIWAR, POWAR } from './spec/atmu.ts'

const UNIT = 0x1000
const WINDOW_STRIDE = 0x20
/** No address of ours is beyond. */
const END = 2 ** 52
const IO = 8
const { CFG_DATA } = PCI_CONFIGURATION.registers
/** Where devices’ accesses to each other’s registers go on: the bus, in the space that device accesses lead to. */
const BUS_SPACE = { base: 2 ** 51, bus: 0, size: 2 ** 40 } as const

/** Registers of one window, of which software writes words. */
interface AtmuWindow {
  readonly registers: Uint32Array
  readonly file: typeof OUTBOUND | typeof INBOUND
}

/** [from, from + size) on the one side is [to, to + size) on the other. */
interface Mapped {
  readonly from: number
  readonly to: number
  readonly size: number
}

/** A window of the processor's onto the bus. */
interface Outbound extends Mapped {
  /** It leads to ports. */
  readonly io: boolean
  /** Made when it is first looked into. */
  window: Window | null
}

/** The side of the host bridge that is on the bus. */
const hostBridgeFunction = (): StaticFunction =>
  new StaticFunction({
    vendorId: 0x1957,
    deviceId: 0x0030,
    classCode: 0x0b_2000,
    subsystemVendorId: 0x1af4,
    subsystemId: 0x1100,
    bars: [{ bar: 0, kind: 'memory32', size: CCSR.size }],
  })

/**
 * The PCI host bridge of an MPC8544: configuration access, and the windows by which software says what memory is where
 * for devices, and what of the bus is where for the processor. Out of reset there are none, so that devices reach
 * nothing.
 */
export class E500HostBridge implements InboundMap {
  /** Its own function on the bus. BAR 0 leads devices to CCSR. */
  readonly function = hostBridgeFunction()
  #root: RootComplex | null = null
  readonly #outbound = OUTBOUND_AT.map(() => atmuWindow(OUTBOUND))
  readonly #inbound = INBOUND_AT.map(() => atmuWindow(INBOUND))
  /** Those that are on; of inbound ones, the newest first, which wins where two overlap. */
  #outboundMaps: readonly Outbound[] = []
  #inboundMaps: readonly Mapped[] = []
  #last: Mapped | null = null
  revision = 0

  /** Puts the bridge between this bus and a machine's address spaces. Once. */
  connect(root: RootComplex, queue: RunQueue, spaces: readonly AddressSpace[], devices: AddressSpace): void {
    this.#root = root
    const pci = new PciWindow(root, queue)
    const config = root.createCf8Ports()
    const place = { base: CCSR.base + CCSR_PCI.offset, size: CCSR_PCI.size }
    for (const space of spaces) {
      space.add({ name: 'PCI host bridge', ...place, kind: 'mmio', handler: this.#registers(config) })
      space.addWindow({ name: 'PCI outbound windows', base: 0, size: END, find: (address) => this.#find(pci, address) })
    }
    devices.addWindow(bridgeWindow('PCI bus', BUS_SPACE, (bus) => pci.find(bus)))
  }

  /** Its page of CCSR. Words are big-endian, but for CFG_DATA, which is in the bus’s order. */
  #registers(config: PortHandler): MmioHandler {
    const isData = (offset: number): boolean => offset >= CFG_DATA.offset && offset < CFG_DATA.offset + 4
    return {
      read: (offset, width) => {
        if (isData(offset)) return config.read(offset, width)
        if (width !== 4) return 0
        if (offset === 0) return swap32(config.read(0, 4))
        const at = this.#windowAt(offset)
        return at === null ? 0 : swap32(at.window.registers[at.word]!)
      },
      write: (offset, width, value) => {
        if (isData(offset)) config.write(offset, width, value)
        else if (width === 4 && offset === 0) config.write(0, 4, swap32(value))
        else if (width === 4) this.#writeWindow(offset, swap32(value))
      },
    }
  }

  /** What the processor reaches on the bus by a window, where one is there. */
  #find(pci: PciWindow, address: number): Region | null {
    for (const one of this.#outboundMaps) {
      if (address < one.from || address >= one.from + one.size) continue
      one.window ??= bridgeWindow('PCI', { base: one.from, bus: one.to, size: one.size }, (bus) =>
        one.io ? portRegion(pci, bus) : pci.find(bus),
      )
      return one.window.find(address)
    }
    return null
  }

  memoryOf(bus: number, length: number): number {
    const range = this.#root?.memoryRangeAt(bus) ?? null
    if (range !== null) {
      if (range.function === this.function) return CCSR.base + bus - range.barAddress
      return bus < BUS_SPACE.size ? BUS_SPACE.base + bus : -1
    }
    const last = this.#last
    if (last !== null && bus >= last.from && bus + length <= last.from + last.size) return bus - last.from + last.to
    for (const one of this.#inboundMaps) {
      if (bus < one.from || bus + length > one.from + one.size) continue
      this.#last = one
      return bus - one.from + one.to
    }
    return -1
  }

  #windowAt(offset: number): { readonly window: AtmuWindow; readonly word: number } | null {
    const start = offset - (offset % WINDOW_STRIDE)
    const outbound = this.#outbound[(OUTBOUND_AT as readonly number[]).indexOf(start)]
    const window = outbound ?? this.#inbound[(INBOUND_AT as readonly number[]).indexOf(start)]
    return window === undefined || offset % 4 !== 0 ? null : { window, word: (offset - start) / 4 }
  }

  #writeWindow(offset: number, value: number): void {
    const at = this.#windowAt(offset)
    if (at === null || !Object.values(at.window.file.registers).some((one) => one.offset === at.word * 4)) return
    at.window.registers[at.word] = value
    this.revision++
    this.#last = null
    this.#outboundMaps = this.#outbound.flatMap((one) => outboundOf(one))
    const changed = this.#inbound.includes(at.window) ? [at.window] : []
    const order = [...changed, ...this.#inbound.filter((one) => one !== at.window)]
    this.#inboundMaps = order.flatMap((one) => inboundOf(one))
  }
}

function outboundOf({ registers }: AtmuWindow): Outbound[] {
  const { POTAR, POWBAR, POWAR: attributes } = OUTBOUND.registers
  const word = registers[attributes.offset / 4]!
  if (POWAR.fields.EN.get(word) === 0) return []
  return [
    {
      from: registers[POWBAR.offset / 4]! * UNIT,
      to: registers[POTAR.offset / 4]! * UNIT,
      size: Math.min(2 ** (POWAR.fields.OWS.get(word) + 1), END),
      io: POWAR.fields.RTT.get(word) === IO,
      window: null,
    },
  ]
}

function inboundOf({ registers }: AtmuWindow): Mapped[] {
  const { PITAR, PIWBAR, PIWAR: attributes } = INBOUND.registers
  const word = registers[attributes.offset / 4]!
  if (PIWAR.fields.EN.get(word) === 0) return []
  const size = Math.min(2 ** (PIWAR.fields.IWS.get(word) + 1), END)
  return [{ from: registers[PIWBAR.offset / 4]! * UNIT, to: registers[PITAR.offset / 4]! * UNIT, size }]
}

const atmuWindow = (file: AtmuWindow['file']): AtmuWindow => ({ registers: new Uint32Array(WINDOW_STRIDE / 4), file })
