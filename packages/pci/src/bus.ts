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
  /**
   * It takes device numbers other than 0 for functions at the end of its link: ARI Forwarding Enable (§6.13). Left out
   * where there is no link, or devices can stand there anyway.
   */
  readonly ariForwarding?: boolean
}

export const isBridge = (of: PciFunction): of is PciBridge => 'secondary' in of

/** Where a function sits. Live: the bus number is the one that software programmed. */
export interface PciSlot {
  readonly function: PciFunction
  /** A virtual function may bear a further bus number than this bus's own. */
  readonly bus: PciBus
  /** Of a virtual function: where its physical function sits. */
  readonly physical?: PciSlot
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

/** A virtual function's place, whether or not it is there now. */
export interface VirtualPlace extends PciSlot {
  readonly physical: PciSlot
  readonly enabled: boolean
}

/** A bus: up to 32 devices of up to 8 functions. A root complex makes the root buses, a bridge its secondary bus. */
export class PciBus {
  /** The bridge above; null for a root bus. */
  readonly bridge: PciBridge | null
  readonly singleDevice: boolean
  readonly extendedConfig: boolean
  readonly #rootNumber: number
  readonly #slots: (PciSlot | null)[] = new Array(256).fill(null)
  #virtual: readonly VirtualPlace[] = []
  #enabled: readonly VirtualPlace[] = []
  /** Slots of functions that are no virtual ones, in order. */
  #plugged: readonly PciSlot[] = []
  #ordered: readonly PciSlot[] = []
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

  /** Occupied slots, by device and function, and then those of virtual functions that are enabled. */
  get slots(): readonly PciSlot[] {
    return this.#ordered
  }

  /** Slots of virtual functions, whether these are enabled or not, in the order of their physical functions. */
  get virtualSlots(): readonly VirtualPlace[] {
    return this.#virtual
  }

  /** Of the bus's own number. A virtual function is there while it is enabled, and no other function has its place. */
  slotAt(device: number, fn: number): PciSlot | null {
    const slot = this.#slots[(device << 3) | fn] ?? null
    if (slot !== null || this.#enabled.length === 0) return slot
    return this.virtualAt((this.number << 8) | (device << 3) | fn)
  }

  /** The enabled virtual function with this requester ID. */
  virtualAt(requester: number): PciSlot | null {
    for (const slot of this.#enabled) if (slot.requesterId === requester) return slot
    return null
  }

  /** Adds places of virtual functions. The root complex does this: see `RootComplex.attach`. */
  plugVirtual(slots: readonly VirtualPlace[]): void {
    this.#virtual = [...this.#virtual, ...slots]
    this.recount()
  }

  /** Looks anew which virtual functions are enabled. */
  recount(): void {
    this.#enabled = this.#virtual.filter(({ enabled }) => enabled)
    this.#ordered = this.#enabled.length === 0 ? this.#plugged : [...this.#plugged, ...this.#enabled]
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
    const place = this.#plugged.findIndex((one) => ((one.device << 3) | one.fn) > devfn)
    const behind = place < 0 ? this.#plugged.length : place
    this.#plugged = [...this.#plugged.slice(0, behind), slot, ...this.#plugged.slice(behind)]
    this.recount()
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
    return sourceIdOf(this)
  }
}

/** What the bridges above make of the slot's own ID. */
export function sourceIdOf(slot: PciSlot): number {
  let id = slot.requesterId
  for (let { bus } = slot; bus.bridge !== null && bus.bridgeSlot !== null; bus = bus.bridgeSlot.bus) {
    if (bus.bridge.requesterNaming === 'secondary-bus') id = bus.number << 8
    else if (bus.bridge.requesterNaming === 'bridge') id = bus.bridgeSlot.requesterId
  }
  return id
}
