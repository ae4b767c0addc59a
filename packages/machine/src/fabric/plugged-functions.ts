import type { RequesterId } from '@dmascope/iommu'
import type { PciFunction, PciSlot, RootComplex } from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'
import type { DeviceDescription } from '../description.ts'
import type { ResidentEngine } from '../firmware-regions/resident-engine.ts'
import type { IommuFault } from '../iommu/machine-iommu.ts'
import type { DeviceObservation } from '../observation.ts'
import type { FabricPort } from './fabric-port.ts'
import type { DeviceLedger } from './ledger.ts'
import { KEPT_FAULTS, observationOf, observedFault } from './observe-device.ts'
import type { Worker } from './run-queue.ts'

/** A function as it sits in the machine, with its way to memory and its books. */
export interface Plugged {
  readonly function: PciFunction
  readonly root: RootComplex
  readonly slot: PciSlot
  /** The ID by which an IOMMU knows its requests. */
  readonly requester: () => RequesterId
  readonly model: string
  readonly described: DeviceDescription | null
  readonly port: FabricPort
  readonly ledger: DeviceLedger
  /** An IOMMU stands above its bus, whether or not its DMA goes through it. */
  readonly behindIommu: boolean
  readonly faults: DeviceObservation['faults'][number][]
  /** What firmware left running in it, where it did. */
  resident: ResidentEngine | null
}

/** Every function of the machine, by segment and by the address that software gave its bus. */
export class PluggedFunctions {
  readonly #roots: readonly RootComplex[]
  readonly #plugged = new Map<Worker, Plugged>()
  /** Answers of `find`, good while no tree's generation changes. */
  readonly #named = new Map<string, Plugged | null>()
  #namedAt = -1

  constructor(roots: readonly RootComplex[]) {
    this.#roots = roots
  }

  add(plugged: Plugged): void {
    this.#plugged.set(plugged.function, plugged)
  }

  /** By the name that the description gives it; null where none has it. */
  named(id: string): Plugged | null {
    for (const plugged of this.#plugged.values()) if (plugged.described?.id === id) return plugged
    return null
  }

  [Symbol.iterator](): IterableIterator<Plugged> {
    return this.#plugged.values()
  }

  /** `0000:00:03.0`, by bus numbers as they are now. */
  idOf(slot: PciSlot, root: RootComplex): string {
    return formatBdf(slot.requesterId, root.segment)
  }

  /** The guest names a device thousands of times: each name is taken apart once for a state of the tree. */
  find(id: string): Plugged | null {
    let generation = 0
    for (const root of this.#roots) generation += root.generation
    if (this.#namedAt !== generation) {
      this.#named.clear()
      this.#namedAt = generation
    }
    let found = this.#named.get(id)
    if (found === undefined) {
      found = this.#findNow(id)
      this.#named.set(id, found)
    }
    return found
  }

  #findNow(id: string): Plugged | null {
    const match = /^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/.exec(id)
    if (match === null) return null
    const [bus, device, fn] = [match[2]!, match[3]!, match[4]!].map((part) => Number.parseInt(part, 16)) as [
      number,
      number,
      number,
    ]
    return this.#at(Number.parseInt(match[1]!, 16), (bus << 8) | (device << 3) | fn)
  }

  #at(segment: number, requester: number): Plugged | null {
    const root = this.#roots.find((one) => one.segment === segment)
    const found = requester < 0 || root === undefined ? null : root.functionAt(requester)
    return found === null ? null : (this.#plugged.get(found) ?? null)
  }

  /** Whether requests of a function whose bus is under an IOMMU bear this ID. */
  hasRequester(requester: RequesterId): boolean {
    for (const { behindIommu, requester: own } of this.#plugged.values()) {
      if (behindIommu && own() === requester) return true
    }
    return false
  }

  /**
   * Keeps a fault with the function that caused it. Behind a bridge that lends its requester ID several bear the same:
   * then it is the one whose turn it is.
   */
  recordFault(fault: IommuFault, current: Worker | null): void {
    const segment = fault.segment ?? 0
    const turn = current === null ? undefined : this.#plugged.get(current)
    const bears = (one: Plugged): boolean => one.root.segment === segment && one.requester() === fault.requester
    const plugged = turn !== undefined && bears(turn) ? turn : this.#at(segment, fault.requester)
    if (plugged === null || plugged.faults.length >= KEPT_FAULTS) return
    plugged.faults.push(observedFault(fault, plugged.ledger.phase))
  }

  /** What was seen of every function, by segment, in bus order. Copies. */
  observe(): DeviceObservation[] {
    const seen: DeviceObservation[] = []
    for (const root of this.#roots) {
      for (const slot of root.functions()) {
        const plugged = this.#plugged.get(slot.function)
        if (plugged !== undefined) seen.push(observationOf(this.#placeOf(plugged), plugged))
      }
    }
    return seen
  }

  /**
   * Its address; where no request reaches it by that, since software numbered no bus for it: the place of the bridge
   * above it, and its own below that, as in `0000:0a:00.0/00.0`.
   */
  #placeOf({ slot, root }: Plugged): string {
    const id = this.idOf(slot, root)
    const { bridge } = slot.bus
    if (bridge === null || root.functionAt(slot.requesterId) === slot.function) return id
    const above = this.#plugged.get(bridge)
    return above === undefined ? id : `${this.#placeOf(above)}/${id.slice(-4)}`
  }
}
