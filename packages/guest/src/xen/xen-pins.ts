import {
  DOMID_SELF,
  HYPERVISOR,
  MAP_PIRQ_TYPE,
  PHYSDEV_MAP_PIRQ,
  PHYSDEV_SETUP_GSI,
  PHYSDEVOP,
  XEN_ERRNO,
} from '@dmascope/xen/spec'
import { type PinRoutes, routeOfPin } from '../interrupts/legacy-interrupts.ts'
import type { ConnectedPin, PinInterrupts } from '../interrupts/pin-interrupts.ts'
import type { InterruptHandler, Vector, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { WireInterrupt } from '../platform/platform-device.ts'
import type { WireInterrupts } from '../platform/wire-interrupts.ts'
import type { EventChannels } from './event-channels.ts'
import type { XenCalls } from './xen-calls.ts'

/** `BIND_PIRQ__WILL_SHARE`. */
const WILL_SHARE = 1

/** Pins and wires in the first domain: Xen has the I/O APIC, is told how an input is driven, and tells by events. */
export class XenPins implements PinInterrupts, WireInterrupts {
  readonly #calls: XenCalls
  readonly #events: EventChannels
  readonly #vectors: Vectors
  readonly #routes: readonly PinRoutes[]
  readonly #lines = new Map<number, Vector>()

  constructor(calls: XenCalls, events: EventChannels, vectors: Vectors, routes: readonly PinRoutes[]) {
    this.#calls = calls
    this.#events = events
    this.#vectors = vectors
    this.#routes = routes
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    const { gsi, by } = routeOfPin(fn, this.#routes)
    return gsi === null ? by : this.#connect(gsi, 'level', handler, by)
  }

  connectWire({ number, trigger }: WireInterrupt, handler: InterruptHandler): ConnectedPin | string {
    return this.#connect(number, trigger, handler, `GSI ${number}`)
  }

  #connect(gsi: number, trigger: 'edge' | 'level', handler: InterruptHandler, by: string): ConnectedPin | string {
    const shared = this.#lines.get(gsi)
    if (shared !== undefined) {
      shared.handlers.push(handler)
      return { gsi, vector: shared.number, by }
    }
    const pirq = this.#map(gsi, trigger)
    if (pirq < 0) return `Xen gives no interrupt for GSI ${gsi}: PHYSDEVOP_map_pirq answers ${pirq}`
    const events = this.#events
    const port = events.bind(pirq, WILL_SHARE)
    if (port < 0) return `Xen gives no event for GSI ${gsi}: EVTCHNOP_bind_pirq answers ${port}`
    const vector = this.#vectors.claim(port, trigger, () => events.mask(port))
    if (vector === null) return `event channel ${port} is taken`
    vector.handlers.push(handler)
    this.#lines.set(gsi, vector)
    events.unmask(port)
    return { gsi, vector: port, by }
  }

  /** As Linux's `xen_register_pirq` and `xen_register_gsi`: the interrupt first, then how its input is driven. */
  #map(gsi: number, trigger: 'edge' | 'level'): number {
    const asked = new DataView(new ArrayBuffer(PHYSDEV_MAP_PIRQ.size))
    const { fields } = PHYSDEV_MAP_PIRQ
    fields.domid.set(asked, 0, DOMID_SELF)
    fields.type.set(asked, 0, MAP_PIRQ_TYPE.GSI)
    fields.index.set(asked, 0, gsi)
    fields.pirq.set(asked, 0, gsi)
    const mapped = this.#calls.call(HYPERVISOR.physdev_op, PHYSDEVOP.map_pirq, asked)
    if (mapped !== 0) return mapped
    const driven = new DataView(new ArrayBuffer(PHYSDEV_SETUP_GSI.size))
    PHYSDEV_SETUP_GSI.fields.gsi.set(driven, 0, gsi)
    PHYSDEV_SETUP_GSI.fields.triggering.set(driven, 0, trigger === 'level' ? 1 : 0)
    PHYSDEV_SETUP_GSI.fields.polarity.set(driven, 0, trigger === 'level' ? 1 : 0)
    const code = this.#calls.call(HYPERVISOR.physdev_op, PHYSDEVOP.setup_gsi, driven)
    return code === 0 || code === XEN_ERRNO.EEXIST ? fields.pirq.get(asked, 0) : code
  }
}
