import { nearestName } from '@dmascope/layout'
import type { ConsolePort } from '@dmascope/virtio-devices'
import { type Properties, withDefaults } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import type { DeviceDescription, MachineDescription } from '../description.ts'
import { refusePlace } from './placed-bus.ts'

/** A virtio device in one of the machine's transports. */
export interface PlacedVirtioDevice {
  readonly description: DeviceDescription
  readonly model: DeviceModel
  /** With QEMU's defaults for what was not given. */
  readonly properties: Properties
  /** Number of the transport, from 0 on. */
  readonly transport: number
  /** Of a virtio-serial controller: grows as ports are plugged in. */
  readonly serialPorts: readonly ConsolePort[]
}

const MACHINES: readonly string[] = ['virt', 'microvm', 'bcm3384']

/** Whether machines of this type have virtio transports of their own. */
export const hasVirtioBuses = (machine: MachineDescription['machine']): boolean => MACHINES.includes(machine)

/** `virtio-mmio-bus.3`. */
const nameOf = (transport: number): string => `virtio-mmio-bus.${transport}`

/** Where there is no virtio bus, in QEMU's words, and what to write instead. */
export const noVirtioBus = (model: DeviceModel): string =>
  `No 'virtio-bus' bus found for device '${model.name}'; on PCI it is '${model.name.replace(/-device$/, '')}-pci'`

/**
 * The buses of a machine's virtio-mmio transports, a device each. A device that names none gets the last free one: QEMU
 * puts each new bus before the others, and takes the first.
 */
export class VirtioBuses {
  readonly #machine: MachineDescription
  readonly #taken: boolean[]

  constructor(machine: MachineDescription, transports: number) {
    this.#machine = machine
    this.#taken = new Array<boolean>(transports).fill(false)
  }

  has(bus: string): boolean {
    return this.#taken.some((_, transport) => nameOf(transport) === bus)
  }

  /**
   * @param isOther - whether a bus of this name is there that is no virtio bus, and what kind it is
   * @throws DmascopeError MACHINE_BUS or MACHINE_PLUG, in QEMU's words
   */
  place(
    description: DeviceDescription,
    model: DeviceModel,
    given: Properties,
    isOther: (bus: string) => 'PCI' | 'PCIE' | null,
  ): Omit<PlacedVirtioDevice, 'serialPorts'> {
    if (model.kind === 'virtio-iommu') {
      throw refusePlace(
        'MACHINE_REFUSED',
        description,
        'VIRTIO-IOMMU is not attached to any PCI bus!; write -device virtio-iommu-pci',
      )
    }
    const transport = this.#find(description, model, isOther)
    this.#taken[transport] = true
    return { description, model, properties: withDefaults(model, given, this.#machine.qemuVersion), transport }
  }

  /** Newer releases tell buses that are full from those that are not there. */
  #noneFree(model: DeviceModel): string {
    const count = this.#taken.length
    if (count === 0) return noVirtioBus(model)
    const words =
      this.#machine.qemuVersion === '7.2'
        ? `No 'virtio-bus' bus found for device '${model.name}'`
        : "A 'virtio-bus' bus was found but is full"
    return `${words}; the machine has ${count} transports, and each a device`
  }

  #find(description: DeviceDescription, model: DeviceModel, isOther: (bus: string) => 'PCI' | 'PCIE' | null): number {
    const { bus } = description
    if (bus === undefined) {
      const free = this.#taken.lastIndexOf(false)
      if (free >= 0) return free
      throw refusePlace('MACHINE_BUS', description, this.#noneFree(model))
    }
    const kind = isOther(bus)
    if (kind !== null) {
      const instead = this.#taken.length > 0 ? `; write bus=${nameOf(0)}, or leave bus= out` : ''
      throw refusePlace('MACHINE_PLUG', description, `Device '${model.name}' can't go on ${kind} bus${instead}`)
    }
    const transport = this.#taken.findIndex((_, index) => nameOf(index) === bus)
    if (transport < 0) {
      const nearest = nearestName(
        bus,
        this.#taken.map((_, index) => nameOf(index)),
      )
      throw refusePlace(
        'MACHINE_BUS',
        description,
        `Bus '${bus}' not found${nearest === null ? '' : `; did you mean '${nearest}'?`}`,
      )
    }
    if (this.#taken[transport]) {
      throw refusePlace('MACHINE_PLUG', description, `Bus '${bus}' is full; a transport has room for one device`)
    }
    return transport
  }
}
