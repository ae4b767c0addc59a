import type { PciFunction } from './contracts/pci-function.ts'
import { requesterId } from './spec/routing-id.ts'

/** A range of addresses or ports, [start, end). */
export interface AddressRange {
  readonly start: number
  readonly end: number
}

/**
 * How the requests of functions below a bridge are named above it.
 *
 * - `own-ids`: each keeps its requester ID (PCI Express; and conventional bridges, below which there are none)
 * - `secondary-bus`: the bridge puts its secondary bus number, device 0, function 0 in their stead
 * - `bridge`: the bridge puts its own ID
 */
export type RequesterNaming = 'own-ids' | 'secondary-bus' | 'bridge'

/** A function that leads to another bus. */
export interface PciBridge extends PciFunction {
  readonly secondary: PciBus
  readonly requesterNaming: RequesterNaming
  readonly secondaryBusNumber: number
  readonly subordinateBusNumber: number
  /** What it forwards downstream now: its windows, where the command register allows. */
  memoryWindows(): readonly AddressRange[]
  ioWindows(): readonly AddressRange[]
}

export const isBridge = (of: PciFunction): of is PciBridge => 'secondary' in of

/** Where a function sits. Live: the bus number is the one that software programmed. */
export interface PciSlot {
  readonly function: PciFunction
  readonly bus: PciBus
  /** 0 to 31. */
  readonly device: number
  /** 0 to 7. */
  readonly fn: number
  /** The function's own ID, by the bus numbers as they stand. */
  readonly requesterId: number
  /** The ID that its requests bear where they reach the root complex: a bridge on the way may have replaced it. */
  readonly sourceId: number
}

export interface PciBusOptions {
  /** Only device 0 can be there: the other end of a PCI Express link. */
  readonly singleDevice?: boolean
  /** Whether configuration requests above offset 0xff reach it. */
  readonly extendedConfig?: boolean
}

/** A bus: up to 32 devices of up to 8 functions. A root complex makes the root buses, a bridge its secondary bus. */
export class PciBus {
  /** The bridge above; null for a root bus. */
  readonly bridge: PciBridge | null
  readonly singleDevice: boolean
  readonly extendedConfig: boolean
  readonly #rootNumber: number
  readonly #slots: (PciSlot | null)[] = new Array(256).fill(null)
  #ordered: PciSlot[] = []
  /** Where the bridge above sits, once it is attached. */
  #bridgeSlot: PciSlot | null = null

  constructor(above: PciBridge | number, options: PciBusOptions = {}) {
    this.bridge = typeof above === 'number' ? null : above
    this.#rootNumber = typeof above === 'number' ? above : 0
    this.singleDevice = options.singleDevice === true
    this.extendedConfig = options.extendedConfig !== false
  }

  /** As programmed: 0 below a bridge whose bus numbers nobody has set. */
  get number(): number {
    return this.bridge === null ? this.#rootNumber : this.bridge.secondaryBusNumber
  }

  /** The slot of the bridge above; null for a root bus, and while that bridge is not attached. */
  get bridgeSlot(): PciSlot | null {
    return this.#bridgeSlot
  }

  /** Occupied slots, by device and function. */
  get slots(): readonly PciSlot[] {
    return this.#ordered
  }

  slotAt(device: number, fn: number): PciSlot | null {
    return this.#slots[(device << 3) | fn] ?? null
  }

  /**
   * Plugs a function in. The root complex does this: see `RootComplex.attach`.
   *
   * @throws RangeError where there is no such slot, or it is taken
   */
  plug(plugged: PciFunction, device: number, fn: number): PciSlot {
    const devfn = requesterId(0, device, fn)
    if (this.singleDevice && device !== 0) {
      throw new RangeError(`device ${device}: only device 0 can sit at the end of a PCI Express link`)
    }
    if (this.#slots[devfn] !== null) throw new RangeError(`device ${device}, function ${fn} is taken`)
    const slot = new Slot(plugged, this, device, fn)
    this.#slots[devfn] = slot
    this.#ordered = this.#slots.filter((one) => one !== null)
    if (isBridge(plugged)) plugged.secondary.#bridgeSlot = slot
    return slot
  }
}

class Slot implements PciSlot {
  readonly function: PciFunction
  readonly bus: PciBus
  readonly device: number
  readonly fn: number

  constructor(plugged: PciFunction, bus: PciBus, device: number, fn: number) {
    this.function = plugged
    this.bus = bus
    this.device = device
    this.fn = fn
  }

  get requesterId(): number {
    return (this.bus.number << 8) | (this.device << 3) | this.fn
  }

  get sourceId(): number {
    let id = this.requesterId
    for (let { bus } = this as PciSlot; bus.bridge !== null && bus.bridgeSlot !== null; bus = bus.bridgeSlot.bus) {
      if (bus.bridge.requesterNaming === 'secondary-bus') id = bus.number << 8
      else if (bus.bridge.requesterNaming === 'bridge') id = bus.bridgeSlot.requesterId
    }
    return id
  }
}
