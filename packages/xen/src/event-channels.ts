import type { CpuBus } from '@dmascope/memory/contracts'
import type { GuestHandles } from './guest-handle.ts'
import { EVTCHN_BIND_PIRQ, EVTCHN_CLOSE, EVTCHN_UNMASK, EVTCHNOP } from './spec/event-channel.ts'
import { XEN_ERRNO } from './spec/hypercalls.ts'
import { EVENT_PORTS, SHARED_INFO } from './spec/shared-info.ts'

const { evtchn_upcall_pending, evtchn_upcall_mask, evtchn_pending_sel } = SHARED_INFO.fields.vcpu_info.at(0).fields
const PENDING = SHARED_INFO.fields.evtchn_pending.offset
const MASK = SHARED_INFO.fields.evtchn_mask.offset

/** What ports of physical interrupts are bound to. */
export interface InterruptSources {
  /** Lets the interrupt through to this port. False where there is no such interrupt. */
  bind(pirq: number, port: number): boolean
  unbind(pirq: number): void
}

/** A domain's event channels in the layout of two levels: ports, and their bits in the shared page. */
export class EventChannels {
  readonly #bus: CpuBus
  readonly #handles: GuestHandles
  readonly #sources: InterruptSources
  /** Machine address of the shared page. */
  readonly #shared: number
  readonly #pirqs = new Map<number, number>()
  #last = 0

  constructor(bus: CpuBus, handles: GuestHandles, sources: InterruptSources, shared: number) {
    this.#bus = bus
    this.#handles = handles
    this.#sources = sources
    this.#shared = shared
  }

  /** Whether the processor is to take an upcall now. */
  get upcallPending(): boolean {
    const bus = this.#bus
    if (bus.read8(this.#shared + evtchn_upcall_pending.offset) === 0) return false
    return bus.read8(this.#shared + evtchn_upcall_mask.offset) === 0
  }

  call(command: number, hi: number, lo: number): number {
    switch (command) {
      case EVTCHNOP.bind_pirq:
        return this.#bindPirq(hi, lo)
      case EVTCHNOP.close:
        return this.#close(hi, lo)
      case EVTCHNOP.unmask:
        return this.#unmask(hi, lo)
      default:
        return XEN_ERRNO.ENOSYS
    }
  }

  /** An event on this port. Once it is pending, others are one with it. */
  send(port: number): void {
    const bus = this.#bus
    const word = this.#shared + PENDING + (port >>> 5) * 4
    const bit = (1 << (port & 31)) >>> 0
    const before = bus.read32(word)
    if ((before & bit) !== 0) return
    bus.write32(word, (before | bit) >>> 0)
    if ((bus.read32(this.#shared + MASK + (port >>> 5) * 4) & bit) === 0) this.#notify(port)
  }

  #notify(port: number): void {
    const bus = this.#bus
    const selector = port >>> 6
    const at = this.#shared + evtchn_pending_sel.offset + (selector >>> 5) * 4
    bus.write32(at, (bus.read32(at) | (1 << (selector & 31))) >>> 0)
    bus.write8(this.#shared + evtchn_upcall_pending.offset, 1)
  }

  #bindPirq(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, EVTCHN_BIND_PIRQ.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const { pirq, port } = EVTCHN_BIND_PIRQ.fields
    const wanted = pirq.get(asked, 0)
    for (const bound of this.#pirqs.values()) if (bound === wanted) return XEN_ERRNO.EEXIST
    const free = this.#freePort()
    if (free < 0) return XEN_ERRNO.ENOSPC
    if (!this.#sources.bind(wanted, free)) return XEN_ERRNO.EINVAL
    this.#pirqs.set(free, wanted)
    port.set(asked, 0, free)
    return this.#handles.write(hi, lo, asked) ? 0 : XEN_ERRNO.EFAULT
  }

  #close(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, EVTCHN_CLOSE.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const port = EVTCHN_CLOSE.fields.port.get(asked, 0)
    const pirq = this.#pirqs.get(port)
    if (pirq === undefined) return XEN_ERRNO.EINVAL
    this.#pirqs.delete(port)
    this.#sources.unbind(pirq)
    const word = this.#shared + PENDING + (port >>> 5) * 4
    this.#bus.write32(word, (this.#bus.read32(word) & ~(1 << (port & 31))) >>> 0)
    return 0
  }

  #unmask(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, EVTCHN_UNMASK.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const port = EVTCHN_UNMASK.fields.port.get(asked, 0)
    if (!this.#pirqs.has(port)) return XEN_ERRNO.EINVAL
    const at = (port >>> 5) * 4
    const bit = (1 << (port & 31)) >>> 0
    const bus = this.#bus
    const masked = bus.read32(this.#shared + MASK + at)
    bus.write32(this.#shared + MASK + at, (masked & ~bit) >>> 0)
    if ((masked & bit) !== 0 && (bus.read32(this.#shared + PENDING + at) & bit) !== 0) this.#notify(port)
    return 0
  }

  /** Port 0 is nobody's. */
  #freePort(): number {
    for (let tried = 1; tried < EVENT_PORTS; tried++) {
      this.#last = (this.#last % (EVENT_PORTS - 1)) + 1
      if (!this.#pirqs.has(this.#last)) return this.#last
    }
    return -1
  }
}
