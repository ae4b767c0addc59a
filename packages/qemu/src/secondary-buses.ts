import type { DeviceModel } from '@dmascope/machine'
import { type Place, refusal } from './refusal.ts'

/** A bus that is not PCI, what makes it, and what goes on it. */
interface SecondaryBus {
  readonly type: string
  /** Whether a device of this model makes such a bus. */
  readonly made: (model: DeviceModel) => boolean
  /** Model names that need it. */
  readonly needed: RegExp
  /** The machine has one without being told. */
  readonly builtin: boolean
}

const SECONDARY_BUSES: readonly SecondaryBus[] = [
  { type: 'usb-bus', made: ({ kind }) => kind === 'usb', needed: /^(?:usb-|u2f-)/, builtin: false },
  { type: 'usb-ccid-bus', made: ({ name }) => name === 'usb-ccid', needed: /^ccid-/, builtin: false },
  {
    type: 'virtio-serial-bus',
    made: ({ kind }) => kind === 'virtio-console',
    needed: /^virt(?:serialport|console)$/,
    builtin: false,
  },
  {
    type: 'SCSI',
    made: ({ kind, name }) =>
      kind === 'scsi' || name.startsWith('virtio-scsi') || name === 'usb-bot' || name === 'usb-uas',
    needed: /^scsi-/,
    builtin: false,
  },
  { type: 'HDA', made: ({ name }) => name.endsWith('intel-hda'), needed: /^hda-/, builtin: false },
  { type: 'nvme-bus', made: ({ kind }) => kind === 'nvme', needed: /^nvme-ns$/, builtin: false },
  { type: 'sd-bus', made: ({ kind }) => kind === 'sdhci', needed: /^sd-card$/, builtin: false },
  { type: 'IDE', made: ({ kind }) => kind === 'ahci', needed: /^ide-/, builtin: true },
]

/**
 * Keeps track of the buses that are not PCI, so that a disk without a controller is refused as QEMU does.
 */
export class SecondaryBuses {
  readonly #present = new Set<string>()
  readonly #ids = new Set<string>()

  /** @param usb - whether the machine itself brings a USB controller (`-usb`) */
  constructor(usb: boolean) {
    for (const { type, builtin } of SECONDARY_BUSES) if (builtin) this.#present.add(type)
    if (usb) this.#present.add('usb-bus')
  }

  /** A device was created. */
  add(model: DeviceModel, id: string | null): void {
    for (const { type, made } of SECONDARY_BUSES) if (made(model)) this.#present.add(type)
    if (id !== null) this.#ids.add(id)
  }

  /**
   * Whether this device finds a bus.
   *
   * @param bus - as written, `scsi0.0`, or null
   * @throws DmascopeError QEMU_BUS
   */
  check(model: DeviceModel, bus: string | null, place: Place): void {
    const needs = SECONDARY_BUSES.find(({ needed }) => needed.test(model.name))
    if (needs !== undefined && !this.#present.has(needs.type)) {
      throw refusal('QEMU_BUS', place, `No '${needs.type}' bus found for device '${model.name}'`, {
        device: model.name,
        bus: needs.type,
      })
    }
    if (bus === null) return
    const dot = bus.lastIndexOf('.')
    const owner = dot > 0 ? bus.slice(0, dot) : bus
    const unnamed =
      /^(?:usb-bus|scsi|ide|virtio-serial-bus|virtio-serial\d*|hda|isa|sd-bus|floppy-bus|i2c|nvme-bus|vscsi)(?:\.\d+)?$/
    if (!this.#ids.has(owner) && !this.#ids.has(bus) && !unnamed.test(bus)) {
      throw refusal('QEMU_BUS', place, `Bus '${bus}' not found`, { device: model.name, bus })
    }
  }
}
