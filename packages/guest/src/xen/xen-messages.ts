import type { CpuBus } from '@dmascope/memory/contracts'
import { MSIX_BAR_OFFSET, MSIX_CAPABILITY, PCI_CAP_ID_MSIX } from '@dmascope/pci/spec'
import {
  DOMID_SELF,
  HYPERVISOR,
  MAP_PIRQ_TYPE,
  PHYSDEV_MAP_PIRQ,
  PHYSDEV_UNMAP_PIRQ,
  PHYSDEVOP,
} from '@dmascope/xen/spec'
import type { AllocatedMessages, MessageDomain } from '../interrupts/message-domain.ts'
import type { Vector, Vectors } from '../interrupts/vectors.ts'
import { writtenMessages } from '../interrupts/written-messages.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import { type PciFunction, placedBar } from '../pci/pci-function.ts'
import type { EventChannels } from './event-channels.ts'
import type { XenCalls } from './xen-calls.ts'

const ANY = 0xffff_ffff

/** What the messages of a domain work with. */
export interface XenMessageSite {
  readonly bus: CpuBus
  readonly calls: XenCalls
  readonly config: ConfigAccess
  readonly events: EventChannels
  readonly vectors: Vectors
  /** `pci=nomsi`. */
  readonly off: boolean
}

/**
 * Messages of PCI functions in the first domain: Xen is asked for an interrupt for each, writes the message into the
 * function's registers itself, and tells of it by an event (Linux's `xen_initdom_setup_msi_irqs`).
 *
 * DEVIATION: Xen lets its first domain read MSI-X tables, and not write. Here the kernel writes back what Xen wrote, and
 * its own mask bits.
 */
export class XenMessages implements MessageDomain {
  readonly #site: XenMessageSite
  readonly #pirqs = new Map<Vector, number>()

  constructor(site: XenMessageSite) {
    this.#site = site
  }

  allocate(fn: PciFunction, count: number, kind: 'msi' | 'msix'): AllocatedMessages | string {
    const { bus, config, events, vectors, off } = this.#site
    if (off) return 'pci=nomsi'
    const table = kind === 'msix' ? this.#tableBar(fn) : 0
    if (table === null) return 'the MSI-X table is in no BAR'
    const taken: Vector[] = []
    const undo = (why: string): string => {
      for (const vector of taken) this.#giveBack(vector)
      return why
    }
    for (let entry = 0; entry < count; entry++) {
      const pirq = this.#map(fn, entry, table)
      if (pirq < 0) return undo(`PHYSDEVOP_map_pirq answers ${pirq}`)
      const port = events.bind(pirq, 0)
      if (port < 0) {
        this.#unmap(pirq)
        return undo(`EVTCHNOP_bind_pirq answers ${port}`)
      }
      const vector = vectors.claim(port, 'edge')
      if (vector === null) {
        events.close(port)
        this.#unmap(pirq)
        return undo(`event channel ${port} is taken`)
      }
      this.#pirqs.set(vector, pirq)
      taken.push(vector)
      events.unmask(port)
    }
    const messages = writtenMessages(bus, config, fn, count, kind)
    return messages === null ? undo('the function’s messages cannot be read') : { vectors: taken, messages }
  }

  release(_fn: PciFunction, { vectors }: AllocatedMessages): void {
    for (const vector of vectors) this.#giveBack(vector)
  }

  #giveBack(vector: Vector): void {
    this.#site.events.close(vector.number)
    this.#site.vectors.release(vector)
    const pirq = this.#pirqs.get(vector)
    this.#pirqs.delete(vector)
    if (pirq !== undefined) this.#unmap(pirq)
  }

  #tableBar(fn: PciFunction): number | null {
    const at = fn.capabilities.get(PCI_CAP_ID_MSIX)
    if (at === undefined) return null
    const place = this.#site.config.read(fn, at + MSIX_CAPABILITY.registers.TABLE_OFFSET.offset, 4)
    return placedBar(fn, MSIX_BAR_OFFSET.fields.BIR.get(place), 'memory')?.base ?? null
  }

  #map(fn: PciFunction, entry: number, table: number): number {
    const asked = new DataView(new ArrayBuffer(PHYSDEV_MAP_PIRQ.size))
    const { fields } = PHYSDEV_MAP_PIRQ
    fields.domid.set(asked, 0, DOMID_SELF)
    fields.type.set(asked, 0, MAP_PIRQ_TYPE.MSI_SEG)
    fields.index.set(asked, 0, ANY)
    fields.pirq.set(asked, 0, ANY)
    fields.bus.set(asked, 0, ((fn.segment << 16) | fn.bus) >>> 0)
    fields.devfn.set(asked, 0, (fn.device << 3) | fn.function)
    fields.entry_nr.set(asked, 0, table === 0 ? 0 : entry)
    fields.table_base.number.set(asked, 0, table)
    const code = this.#site.calls.call(HYPERVISOR.physdev_op, PHYSDEVOP.map_pirq, asked)
    return code === 0 ? fields.pirq.get(asked, 0) : code
  }

  #unmap(pirq: number): void {
    const asked = new DataView(new ArrayBuffer(PHYSDEV_UNMAP_PIRQ.size))
    PHYSDEV_UNMAP_PIRQ.fields.domid.set(asked, 0, DOMID_SELF)
    PHYSDEV_UNMAP_PIRQ.fields.pirq.set(asked, 0, pirq)
    this.#site.calls.call(HYPERVISOR.physdev_op, PHYSDEVOP.unmap_pirq, asked)
  }
}
