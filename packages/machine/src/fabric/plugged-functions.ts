import { hexPair } from '@dmascope/layout'
import type { PciFunction, PciSlot, RootComplex } from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'
import type { DeviceDescription } from '../description.ts'
import type { IommuFault } from '../iommu/machine-iommu.ts'
import type { DeviceObservation } from '../observation.ts'
import type { FabricPort } from './fabric-port.ts'
import type { DeviceLedger } from './ledger.ts'

/** Faults that are kept per device. */
const KEPT_FAULTS = 32

/** A function as it sits in the machine, with its way to memory and its books. */
export interface Plugged {
  readonly function: PciFunction
  readonly slot: PciSlot
  readonly model: string
  readonly described: DeviceDescription | null
  readonly port: FabricPort
  readonly ledger: DeviceLedger
  readonly faults: DeviceObservation['faults'][number][]
}

/** Every function of the machine, by the address that software gave its bus. */
export class PluggedFunctions {
  readonly #root: RootComplex
  readonly #plugged = new Map<PciFunction, Plugged>()
  /** Answers of `find`, good while the tree's generation stands. */
  readonly #named = new Map<string, Plugged | null>()
  #namedAt = -1

  constructor(root: RootComplex) {
    this.#root = root
  }

  add(plugged: Plugged): void {
    this.#plugged.set(plugged.function, plugged)
  }

  [Symbol.iterator](): IterableIterator<Plugged> {
    return this.#plugged.values()
  }

  /** `0000:00:03.0`, by bus numbers as they are now. */
  idOf(slot: PciSlot): string {
    return formatBdf(slot.requesterId, this.#root.segment)
  }

  /** The guest names a device thousands of times: each name is taken apart once for a state of the tree. */
  find(id: string): Plugged | null {
    if (this.#namedAt !== this.#root.generation) {
      this.#named.clear()
      this.#namedAt = this.#root.generation
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
    if (match === null || Number.parseInt(match[1]!, 16) !== this.#root.segment) return null
    const [bus, device, fn] = [match[2]!, match[3]!, match[4]!].map((part) => Number.parseInt(part, 16)) as [
      number,
      number,
      number,
    ]
    return this.#at((bus << 8) | (device << 3) | fn)
  }

  #at(requester: number): Plugged | null {
    const found = requester < 0 ? null : this.#root.functionAt(requester)
    return found === null ? null : (this.#plugged.get(found) ?? null)
  }

  /** Keeps a fault with the function whose requester ID it bears. */
  recordFault(fault: IommuFault): void {
    const plugged = this.#at(fault.requester)
    if (plugged === null || plugged.faults.length >= KEPT_FAULTS) return
    plugged.faults.push({
      address: `0x${hexPair(fault.hi, fault.lo).replace(/^0+(?=.)/, '')}`,
      reason: fault.reason,
      text: `${fault.access}: ${fault.text}`,
      phase: plugged.ledger.phase,
    })
  }

  /** What was seen of every function, in bus order. Copies. */
  observe(): DeviceObservation[] {
    const seen: DeviceObservation[] = []
    for (const slot of this.#root.functions()) {
      const plugged = this.#plugged.get(slot.function)
      if (plugged === undefined) continue
      const { ledger, port, described, model, faults } = plugged
      seen.push({
        id: this.idOf(slot),
        model,
        deviceId: described?.id ?? null,
        behindIommu: port.behindIommu,
        dma: {
          firmware: { ...ledger.counts.firmware },
          probe: { ...ledger.counts.probe },
          'self-test': { ...ledger.counts['self-test'] },
        },
        msi: ledger.msi,
        strays: [...ledger.strays],
        strayCount: ledger.strayCount,
        faults: [...faults],
        described:
          described === null
            ? null
            : { location: described.location.text, model: described.model, properties: described.properties },
      })
    }
    return seen
  }
}
