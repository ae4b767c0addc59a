import type { CpuBus } from '@dmascope/memory/contracts'
import {
  EVENT_PORTS,
  EVTCHN_BIND_PIRQ,
  EVTCHN_CLOSE,
  EVTCHN_UNMASK,
  EVTCHNOP,
  HYPERVISOR,
  PHYSDEV_EOI,
  PHYSDEV_IRQ_STATUS_QUERY,
  PHYSDEVOP,
  SHARED_INFO,
  XENIRQSTAT,
} from '@dmascope/xen/spec'
import type { CpuInterruptController } from '../interrupts/vectors.ts'
import type { XenCalls } from './xen-calls.ts'

const { evtchn_upcall_pending, evtchn_upcall_mask, evtchn_pending_sel } = SHARED_INFO.fields.vcpu_info.at(0).fields
const PENDING = SHARED_INFO.fields.evtchn_pending.offset
const MASK = SHARED_INFO.fields.evtchn_mask.offset

/**
 * Event channels as the domain's interrupt controller. A vector has the number of its port.
 *
 * DEVIATION: Linux handles all ports that wait in one upcall. Here each has an upcall of its own: while others wait, the
 * kernel says that it is still to be called.
 */
export class EventChannels implements CpuInterruptController {
  /** Ports are Xen's to give: nobody takes one of his own choice. */
  readonly dynamic = { first: 1, last: EVENT_PORTS - 1 } as const
  readonly #bus: CpuBus
  readonly #calls: XenCalls
  readonly #shared: number
  /** Physical interrupts that Xen wants to be told of, by port. */
  readonly #ends = new Map<number, number>()

  /** Masks every port. @param shared - address of the page that is shared with Xen */
  constructor(bus: CpuBus, calls: XenCalls, shared: number) {
    this.#bus = bus
    this.#calls = calls
    this.#shared = shared
    for (let word = 0; word < EVENT_PORTS / 32; word++) bus.write32(shared + MASK + word * 4, 0xffff_ffff)
  }

  /** Lets upcalls come. */
  enable(): void {
    this.#bus.write8(this.#shared + evtchn_upcall_mask.offset, 0)
  }

  /** The lowest port that waits; -1 where none does. */
  take(): number {
    const bus = this.#bus
    bus.write8(this.#shared + evtchn_upcall_pending.offset, 0)
    let taken = -1
    let more = false
    for (const half of [0, 1]) {
      const at = this.#shared + evtchn_pending_sel.offset + half * 4
      let selected = bus.read32(at)
      for (let bit = 0; bit < 32; bit++) {
        if ((selected & (1 << bit)) === 0) continue
        const word = half * 32 + bit
        const port = taken < 0 ? this.#takeFrom(word) : -1
        if (port >= 0) taken = port
        if (!this.#waits(word)) selected &= ~(1 << bit)
      }
      bus.write32(at, selected >>> 0)
      more ||= selected !== 0
    }
    if (more) bus.write8(this.#shared + evtchn_upcall_pending.offset, 1)
    return taken
  }

  endOfInterrupt(port: number): void {
    const pirq = this.#ends.get(port)
    if (pirq === undefined) return
    const asked = new DataView(new ArrayBuffer(PHYSDEV_EOI.size))
    PHYSDEV_EOI.fields.irq.set(asked, 0, pirq)
    this.#calls.call(HYPERVISOR.physdev_op, PHYSDEVOP.eoi, asked)
  }

  /** A port for a physical interrupt, still masked; the error where Xen gives none. */
  bind(pirq: number, flags: number): number {
    const asked = new DataView(new ArrayBuffer(EVTCHN_BIND_PIRQ.size))
    const { fields } = EVTCHN_BIND_PIRQ
    fields.pirq.set(asked, 0, pirq)
    fields.flags.set(asked, 0, flags)
    const code = this.#calls.call(HYPERVISOR.event_channel_op, EVTCHNOP.bind_pirq, asked)
    if (code !== 0) return code
    const port = fields.port.get(asked, 0)
    const query = new DataView(new ArrayBuffer(PHYSDEV_IRQ_STATUS_QUERY.size))
    PHYSDEV_IRQ_STATUS_QUERY.fields.irq.set(query, 0, pirq)
    const answered = this.#calls.call(HYPERVISOR.physdev_op, PHYSDEVOP.irq_status_query, query) === 0
    const status = PHYSDEV_IRQ_STATUS_QUERY.fields.flags.get(query, 0)
    if (answered && XENIRQSTAT.fields.needs_eoi.get(status) === 1) this.#ends.set(port, pirq)
    return port
  }

  /** Lets events of a port through: Xen tells of one that waits already. */
  unmask(port: number): void {
    const asked = new DataView(new ArrayBuffer(EVTCHN_UNMASK.size))
    EVTCHN_UNMASK.fields.port.set(asked, 0, port)
    this.#calls.call(HYPERVISOR.event_channel_op, EVTCHNOP.unmask, asked)
  }

  mask(port: number): void {
    const at = this.#shared + MASK + (port >>> 5) * 4
    this.#bus.write32(at, (this.#bus.read32(at) | (1 << (port & 31))) >>> 0)
  }

  close(port: number): void {
    this.mask(port)
    this.#ends.delete(port)
    const asked = new DataView(new ArrayBuffer(EVTCHN_CLOSE.size))
    EVTCHN_CLOSE.fields.port.set(asked, 0, port)
    this.#calls.call(HYPERVISOR.event_channel_op, EVTCHNOP.close, asked)
  }

  /** Takes the lowest event of 64 ports, so that it can come again; -1 where none waits. */
  #takeFrom(word: number): number {
    for (const half of [0, 1]) {
      const at = word * 8 + half * 4
      const pending = this.#bus.read32(this.#shared + PENDING + at)
      const ready = (pending & ~this.#bus.read32(this.#shared + MASK + at)) >>> 0
      if (ready === 0) continue
      const bit = 31 - Math.clz32(ready & -ready)
      this.#bus.write32(this.#shared + PENDING + at, (pending & ~(1 << bit)) >>> 0)
      return word * 64 + half * 32 + bit
    }
    return -1
  }

  #waits(word: number): boolean {
    return [0, 1].some((half) => {
      const at = word * 8 + half * 4
      return (this.#bus.read32(this.#shared + PENDING + at) & ~this.#bus.read32(this.#shared + MASK + at)) !== 0
    })
  }
}
