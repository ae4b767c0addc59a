import type { CpuBus } from '@dmascope/memory/contracts'
import { Apics } from './apics.ts'
import type { InterruptSources } from './event-channels.ts'
import type { GuestHandles } from './guest-handle.ts'
import { MessageRegisters } from './message-registers.ts'
import { DOMID_SELF, XEN_ERRNO } from './spec/hypercalls.ts'
import {
  MAP_PIRQ_TYPE,
  PHYSDEV_EOI,
  PHYSDEV_IRQ_STATUS_QUERY,
  PHYSDEV_MAP_PIRQ,
  PHYSDEV_PCI_DEVICE_ADD,
  PHYSDEV_SETUP_GSI,
  PHYSDEV_UNMAP_PIRQ,
  PHYSDEVOP,
  XENIRQSTAT,
} from './spec/physdev.ts'

/** Vectors that Xen gives to devices (`FIRST_DYNAMIC_VECTOR` and up, below its own). */
const FIRST_VECTOR = 0x31
const LAST_VECTOR = 0xef
/** Numbers of interrupts that are no inputs of an I/O APIC: from here down. */
const LAST_PIRQ = 255
const ANY = 0xffff_ffff

/** A physical interrupt that the domain has. */
interface Pirq {
  readonly vector: number
  /** The input of the I/O APIC; null for a message. */
  readonly gsi: number | null
  port: number | null
  /** It was masked when it came, and waits for the domain to be done. */
  waits: boolean
}

/** Interrupts of the machine, and `physdev_op`, by which the first domain has them as its own. */
export class PhysicalInterrupts implements InterruptSources {
  readonly #handles: GuestHandles
  readonly #apics: Apics
  readonly #registers: MessageRegisters
  readonly #pirqs = new Map<number, Pirq>()
  readonly #byVector = new Map<number, number>()
  readonly #triggers = new Map<number, { readonly level: boolean; readonly low: boolean }>()

  constructor(bus: CpuBus, handles: GuestHandles) {
    this.#handles = handles
    this.#apics = new Apics(bus)
    this.#registers = new MessageRegisters(bus)
  }

  /** A vector has come: ends it at the controller. Answers the port to tell; null where nobody has it. */
  take(vector: number): number | null {
    const number = this.#byVector.get(vector)
    const pirq = number === undefined ? undefined : this.#pirqs.get(number)
    if (pirq !== undefined && pirq.gsi !== null && this.#isLevel(pirq.gsi)) {
      // It stays asserted until the domain has been to the device.
      this.#apics.mask(pirq.gsi)
      pirq.waits = true
    }
    this.#apics.endOfInterrupt()
    return pirq?.port ?? null
  }

  bind(number: number, port: number): boolean {
    const pirq = this.#pirqs.get(number)
    if (pirq === undefined) return false
    pirq.port = port
    this.#open(pirq)
    return true
  }

  unbind(number: number): void {
    const pirq = this.#pirqs.get(number)
    if (pirq === undefined) return
    pirq.port = null
    pirq.waits = false
    if (pirq.gsi !== null) this.#apics.mask(pirq.gsi)
  }

  call(command: number, hi: number, lo: number): number {
    switch (command) {
      case PHYSDEVOP.map_pirq:
        return this.#map(hi, lo)
      case PHYSDEVOP.unmap_pirq:
        return this.#unmap(hi, lo)
      case PHYSDEVOP.setup_gsi:
        return this.#setUpGsi(hi, lo)
      case PHYSDEVOP.eoi:
        return this.#eoi(hi, lo)
      case PHYSDEVOP.irq_status_query:
        return this.#query(hi, lo)
      case PHYSDEVOP.pci_device_add:
        return this.#addDevice(hi, lo)
      default:
        return XEN_ERRNO.ENOSYS
    }
  }

  #isLevel(gsi: number): boolean {
    return this.#triggers.get(gsi)?.level ?? true
  }

  #open({ gsi, vector, port }: Pirq): void {
    if (gsi === null || port === null) return
    this.#apics.open(gsi, vector, this.#triggers.get(gsi) ?? { level: true, low: true })
  }

  #map(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, PHYSDEV_MAP_PIRQ.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const { domid, type, index, pirq } = PHYSDEV_MAP_PIRQ.fields
    const domain = domid.get(asked, 0)
    if (domain !== DOMID_SELF && domain !== 0) return XEN_ERRNO.ESRCH
    const kind = type.get(asked, 0)
    const isGsi = kind === MAP_PIRQ_TYPE.GSI
    if (!isGsi && kind !== MAP_PIRQ_TYPE.MSI && kind !== MAP_PIRQ_TYPE.MSI_SEG) return XEN_ERRNO.EINVAL
    const gsi = index.get(asked, 0)
    if (isGsi && gsi >= this.#apics.inputs) return XEN_ERRNO.EINVAL
    const wanted = pirq.get(asked, 0)
    const number = wanted === ANY ? (isGsi ? gsi : this.#freePirq()) : wanted
    if (number > LAST_PIRQ) return XEN_ERRNO.EINVAL
    if (number < 0) return XEN_ERRNO.ENOSPC
    const known = this.#pirqs.get(number)
    // To ask twice for an input changes nothing.
    if (known !== undefined && !(isGsi && known.gsi === gsi)) return XEN_ERRNO.EEXIST
    if (known === undefined) {
      const vector = this.#freeVector()
      if (vector < 0) return XEN_ERRNO.ENOSPC
      if (!isGsi && !this.#writeMessage(asked, vector)) return XEN_ERRNO.ENODEV
      this.#pirqs.set(number, { vector, gsi: isGsi ? gsi : null, port: null, waits: false })
      this.#byVector.set(vector, number)
    }
    pirq.set(asked, 0, number)
    return this.#handles.write(hi, lo, asked) ? 0 : XEN_ERRNO.EFAULT
  }

  #writeMessage(asked: DataView, vector: number): boolean {
    const { bus, devfn, entry_nr, table_base } = PHYSDEV_MAP_PIRQ.fields
    // DEVIATION: there is segment 0 alone.
    if (bus.get(asked, 0) > 0xff || devfn.get(asked, 0) > 0xff) return false
    const id = (bus.get(asked, 0) << 8) | devfn.get(asked, 0)
    const message = this.#apics.message(vector)
    const tableHi = table_base.hi.get(asked, 0)
    const tableLo = table_base.lo.get(asked, 0)
    if (tableHi === 0 && tableLo === 0) return this.#registers.writeMsi(id, message)
    return (
      tableHi < 0x20_0000 &&
      this.#registers.writeMsix(id, entry_nr.get(asked, 0), tableHi * 0x1_0000_0000 + tableLo, message)
    )
  }

  #unmap(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, PHYSDEV_UNMAP_PIRQ.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const number = PHYSDEV_UNMAP_PIRQ.fields.pirq.get(asked, 0)
    const pirq = this.#pirqs.get(number)
    if (pirq === undefined) return XEN_ERRNO.EINVAL
    this.unbind(number)
    this.#byVector.delete(pirq.vector)
    this.#pirqs.delete(number)
    return 0
  }

  #setUpGsi(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, PHYSDEV_SETUP_GSI.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const { gsi, triggering, polarity } = PHYSDEV_SETUP_GSI.fields
    const input = gsi.get(asked, 0)
    if (input >= this.#apics.inputs) return XEN_ERRNO.EINVAL
    if (this.#triggers.has(input)) return XEN_ERRNO.EEXIST
    this.#triggers.set(input, { level: triggering.get(asked, 0) !== 0, low: polarity.get(asked, 0) !== 0 })
    return 0
  }

  /** The domain is done with it: what was masked may come again. */
  #eoi(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, PHYSDEV_EOI.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const pirq = this.#pirqs.get(PHYSDEV_EOI.fields.irq.get(asked, 0))
    if (pirq === undefined) return XEN_ERRNO.EINVAL
    if (pirq.waits) {
      pirq.waits = false
      this.#open(pirq)
    }
    return 0
  }

  #query(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, PHYSDEV_IRQ_STATUS_QUERY.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const { irq, flags } = PHYSDEV_IRQ_STATUS_QUERY.fields
    const pirq = this.#pirqs.get(irq.get(asked, 0))
    if (pirq === undefined) return XEN_ERRNO.EINVAL
    const needsEoi = pirq.gsi !== null && this.#isLevel(pirq.gsi)
    flags.set(asked, 0, XENIRQSTAT.fields.needs_eoi.setLo(0, needsEoi ? 1 : 0))
    return this.#handles.write(hi, lo, asked) ? 0 : XEN_ERRNO.EFAULT
  }

  #addDevice(hi: number, lo: number): number {
    const asked = this.#handles.read(hi, lo, PHYSDEV_PCI_DEVICE_ADD.size)
    if (asked === null) return XEN_ERRNO.EFAULT
    const { seg, bus, devfn } = PHYSDEV_PCI_DEVICE_ADD.fields
    const id = (bus.get(asked, 0) << 8) | devfn.get(asked, 0)
    return seg.get(asked, 0) === 0 && this.#registers.exists(id) ? 0 : XEN_ERRNO.ENODEV
  }

  #freePirq(): number {
    for (let number = LAST_PIRQ; number >= this.#apics.inputs; number--) if (!this.#pirqs.has(number)) return number
    return -1
  }

  #freeVector(): number {
    for (let vector = FIRST_VECTOR; vector <= LAST_VECTOR; vector++) if (!this.#byVector.has(vector)) return vector
    return -1
  }
}
