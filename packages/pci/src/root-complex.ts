import type { MmioHandler, PortHandler } from '@dmascope/memory'
import { isBridge, type PciBridge, PciBus, type PciBusOptions, type PciSlot } from './bus.ts'
import { BusRoutes } from './bus-routes.ts'
import { createCf8Ports } from './cf8.ts'
import type { PciFunction } from './contracts/pci-function.ts'
import { isPhysicalFunction } from './contracts/physical-function.ts'
import { type DecodedRange, DecodeMap, decodeOnce } from './decode-map.ts'
import { createEcam } from './ecam.ts'
import { PCI_CONFIG_SPACE_SIZE } from './spec/config-header.ts'
import { busOf, deviceOf, functionOf, requesterId } from './spec/routing-id.ts'
import { plugVirtualFunctions } from './virtual-slot.ts'

export interface RootComplexOptions {
  /** PCI segment (ACPI `_SEG`). Default 0. */
  readonly segment?: number
  /** Number of the first root bus. Default 0. */
  readonly busNumber?: number
  /** Of the first root bus. */
  readonly bus?: PciBusOptions
}

export interface RootBusOptions extends PciBusOptions {
  /** Device number, on the first root bus, of the function that brings this one. */
  readonly expander?: number
}

/** What answers at an address: offset counts from the start of the BAR. */
export interface Decoded {
  readonly function: PciFunction
  /** `ROM_BAR` for the expansion ROM. */
  readonly bar: number
  readonly offset: number
}

const allOnes = (width: 1 | 2 | 4): number => (width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff)

/** A tree of buses and functions, and the ways in which software and addresses reach them. */
export class RootComplex {
  readonly segment: number
  readonly rootBus: PciBus
  readonly #rootBuses: PciBus[]
  readonly #slots = new Map<PciFunction, PciSlot>()
  /** Device number, on the first root bus, of the function that brings a further one. */
  readonly #expanders = new Map<PciBus, number>()
  readonly #routes = new BusRoutes((bus) => this.#busesBelow(bus))
  #memory: DecodeMap | null = null
  #io: DecodeMap | null = null
  #generation = 0
  /** Lookups since the last change that no map has answered. */
  #unmapped = 0

  constructor(options: RootComplexOptions = {}) {
    this.segment = options.segment ?? 0
    this.rootBus = new PciBus(options.busNumber ?? 0, options.bus)
    this.#rootBuses = [this.rootBus]
  }

  /** Adds a further root bus, as an expander bridge brings. @throws RangeError where the number is taken or none */
  addRootBus(number: number, options: RootBusOptions = {}): PciBus {
    if (!(Number.isInteger(number) && number >= 0 && number <= 255)) throw new RangeError(`bus ${number}: 0 to 255`)
    if (this.#rootBuses.some((bus) => bus.number === number))
      throw new RangeError(`root bus ${number} is there already`)
    const bus = new PciBus(number, options)
    this.#rootBuses.push(bus)
    if (options.expander !== undefined) this.#expanders.set(bus, options.expander)
    this.#rootBuses.sort((a, b) => a.number - b.number)
    this.#changed()
    return bus
  }

  get rootBuses(): readonly PciBus[] {
    return this.#rootBuses
  }

  /** Changes whenever bus numbers, windows or BARs may have: caches of `decodeMemory` hold for one value of it. */
  get generation(): number {
    return this.#generation
  }

  /**
   * Plugs a function in: on the first root bus, or on `bus`, a root bus or a bridge's secondary one. Virtual functions
   * come with their physical one, and are found where its SR-IOV capability says, once software has enabled them.
   *
   * @throws RangeError where there is no such slot, or it is taken
   * @throws TypeError where the bus is not of this root complex, or the function is attached already
   */
  attach(plugged: PciFunction, at: { readonly bus?: PciBus; readonly device: number; readonly fn?: number }): PciSlot {
    const bus = at.bus ?? this.rootBus
    const reachable = bus.bridge === null ? this.#rootBuses.includes(bus) : this.#slots.has(bus.bridge)
    if (!reachable) throw new TypeError('the bus is not of this root complex: attach the bridge above it first')
    if (this.#slots.has(plugged)) throw new TypeError('the function is attached already')
    const slot = bus.plug(plugged, at.device, at.fn ?? 0)
    this.#slots.set(plugged, slot)
    if (isBridge(plugged)) this.#followBridge(plugged)
    else plugged.config.onDecodeChange(() => this.#rangesChanged())
    if (isPhysicalFunction(plugged)) {
      for (const virtual of plugVirtualFunctions(slot, plugged, () => this.#changed())) {
        this.#slots.set(virtual.function, virtual)
      }
    }
    this.#changed()
    return slot
  }

  /** Where the function sits. @throws TypeError where it is not attached here */
  slotOf(of: PciFunction): PciSlot {
    const slot = this.#slots.get(of)
    if (slot === undefined) throw new TypeError('the function is not attached to this root complex')
    return slot
  }

  /** Whether the function is attached here. */
  holds(of: PciFunction): boolean {
    return this.#slots.has(of)
  }

  /** The function's own ID, by the bus numbers that software programmed. Hold `slotOf(function)` where it is hot. */
  requesterIdOf(of: PciFunction): number {
    return this.slotOf(of).requesterId
  }

  /** The ID that its requests bear where they reach the root complex. */
  sourceIdOf(of: PciFunction): number {
    return this.slotOf(of).sourceId
  }

  /** Bridges from the root bus down to the function. */
  bridgesAbove(of: PciFunction): readonly PciBridge[] {
    const path: PciBridge[] = []
    for (let slot: PciSlot | null = this.slotOf(of); slot?.bus.bridge; slot = slot.bus.bridgeSlot) {
      path.unshift(slot.bus.bridge)
    }
    return path
  }

  /** Whether Bus Master Enable is set all the way: in the function, and in each bridge that must forward for it. */
  busMasterPath(of: PciFunction): boolean {
    return of.config.busMasterEnabled && this.bridgesAbove(of).every((bridge) => bridge.config.busMasterEnabled)
  }

  /**
   * Where the function's interrupt pin comes out on its root bus: each bridge on the way turns INTA to INTD by the
   * number of the device below it. `pin` is 1 to 4, as in the Interrupt Pin register; null for a function without one.
   */
  rootInterruptOf(of: PciFunction): { readonly bus: PciBus; readonly device: number; readonly pin: number } | null {
    let slot = this.slotOf(of)
    let pin = of.config.interruptPin
    if (pin === 0) return null
    while (slot.bus.bridgeSlot !== null) {
      pin = ((pin - 1 + slot.device) % 4) + 1
      slot = slot.bus.bridgeSlot
    }
    return { bus: slot.bus, device: slot.device, pin }
  }

  /** Every function: each bus by device and function, and what is below a bridge right after it. */
  *functions(): Generator<PciSlot> {
    for (const root of this.#rootBuses) yield* functionsBelow(root)
  }

  /** The function that a configuration request with this requester ID reaches, by the bus numbers as they stand. */
  functionAt(id: number): PciFunction | null {
    return this.#reach(busOf(id), deviceOf(id), functionOf(id), 0)
  }

  /** Absent functions read as all ones, as does extended space where requests for it do not get through. */
  configRead(bus: number, device: number, fn: number, offset: number, width: 1 | 2 | 4): number {
    return this.#reach(bus, device, fn, offset)?.config.read(offset, width) ?? allOnes(width)
  }

  configWrite(bus: number, device: number, fn: number, offset: number, width: 1 | 2 | 4, value: number): void {
    this.#reach(bus, device, fn, offset)?.config.write(offset, width, value)
  }

  /** Configuration mechanism #1: eight ports, from 0xcf8. */
  createCf8Ports(): PortHandler {
    return createCf8Ports(this)
  }

  /** The Enhanced Configuration Access Mechanism's window: 1 MiB a bus, from `firstBus`. */
  createEcam(firstBus = 0): MmioHandler {
    return createEcam(this, firstBus)
  }

  /** What answers at a memory address, through the windows of the bridges on the way; null for nothing. */
  decodeMemory(address: number): Decoded | null {
    return decoded(this.memoryRangeAt(address), address)
  }

  /** What answers at an I/O port. */
  decodeIo(port: number): Decoded | null {
    return decoded(this.ioRangeAt(port), port)
  }

  /** The range around the address in which the same BAR answers. Good while `generation` stands. */
  memoryRangeAt(address: number): DecodedRange | null {
    if (this.#memory === null) {
      if (this.#unmapped++ < this.#slots.size) return decodeOnce('memory', this.#rootBuses, address)
      this.#memory = new DecodeMap('memory', this.#rootBuses)
    }
    return this.#memory.find(address)
  }

  ioRangeAt(port: number): DecodedRange | null {
    if (this.#io === null) {
      if (this.#unmapped++ < this.#slots.size) return decodeOnce('io', this.#rootBuses, port)
      this.#io = new DecodeMap('io', this.#rootBuses)
    }
    return this.#io.find(port)
  }

  /** Buses behind the functions on a bus, and root buses behind those of the first one: the newest first. */
  #busesBelow(bus: PciBus): PciBus[] {
    const below: PciBus[] = []
    const further = new Map([...this.#expanders].map(([root, device]) => [bus.slotAt(device, 0)?.function, root]))
    const unplaced = this.#rootBuses.filter((root) => root !== this.rootBus && !this.#expanders.has(root))
    if (bus === this.rootBus) below.push(...unplaced)
    for (const [one, slot] of this.#slots) {
      if (slot.bus !== bus) continue
      if (isBridge(one)) below.push(one.secondary)
      const root = bus === this.rootBus ? further.get(one) : undefined
      if (root !== undefined) below.push(root)
    }
    return below.reverse()
  }

  /** A bridge's windows are written far more often than its bus numbers, on which routing depends. */
  #followBridge(bridge: PciBridge): void {
    let numbers = -1
    bridge.config.onDecodeChange(() => {
      const now = (bridge.secondaryBusNumber << 8) | bridge.subordinateBusNumber
      if (now === numbers) this.#rangesChanged()
      else this.#changed()
      numbers = now
    })
  }

  #changed(): void {
    this.#routes.forget()
    this.#rangesChanged()
  }

  #rangesChanged(): void {
    this.#generation++
    this.#unmapped = 0
    this.#memory = null
    this.#io = null
  }

  #reach(bus: number, device: number, fn: number, offset: number): PciFunction | null {
    const found = this.#routes.find(this.rootBus, bus)
    if (found === null || (offset >= PCI_CONFIG_SPACE_SIZE && !found.extendedConfig)) return null
    const slot = bus === found.number ? found.slotAt(device, fn) : found.virtualAt(requesterId(bus, device, fn))
    if (device !== 0 && found.singleDevice && found.bridge?.ariForwarding !== true) return null
    return slot?.function ?? null
  }
}

function* functionsBelow(bus: PciBus): Generator<PciSlot> {
  for (const slot of bus.slots) {
    yield slot
    if (isBridge(slot.function)) yield* functionsBelow(slot.function.secondary)
  }
}

const decoded = (range: DecodedRange | null, address: number): Decoded | null =>
  range === null ? null : { function: range.function, bar: range.bar, offset: address - range.barAddress }
