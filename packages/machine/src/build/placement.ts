import { DmascopeError, nearestName } from '@dmascope/layout'
import { requireModel } from '../catalogue/catalogue.ts'
import { checkProperties, type Properties, withDefaults } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import { AMD_IOMMU_FUNCTION } from '../catalogue/models/iommus.ts'
import { confidentialDefaults } from '../confidential/plan-confidential.ts'
import type { DeviceDescription, MachineDescription, PropertyValue, SegmentDescription } from '../description.ts'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import { virtioBehaviour } from '../hypervisor/virtio-behaviour.ts'
import { AutomaticBusNames } from './bus-names.ts'
import { BY_DEFAULT } from './default-devices.ts'
import { findSlot } from './find-slot.ts'
import { NamedBuses } from './named-buses.ts'
import { checkNumaNode } from './numa-node.ts'
import {
  expanderBus,
  type MachineRoot,
  machineBus,
  type PlacedBus,
  type PlacedDevice,
  refusePlace,
  secondaryBus,
} from './placed-bus.ts'
import { refuseValues } from './refuse-values.ts'
import { SerialPorts, withSerialVectors } from './serial-ports.ts'
import { type PlacedVirtioDevice, VirtioBuses } from './virtio-buses.ts'
import { withBlockQueues } from './virtio-queues.ts'
import { VirtualPlaces } from './virtual-places.ts'

export interface Placement {
  readonly rootBus: PlacedBus
  /** Root buses that expanders bring, and the expanders, in order of creation. */
  readonly expanders: ReadonlyMap<PlacedBus, PlacedDevice>
  /** Root buses of further segments, and the host bridges that bring them, in order of creation. */
  readonly hostBridges: ReadonlyMap<PlacedBus, PlacedPlatformDevice>
  /** Root buses of further segments of a PC, ascending. */
  readonly segments: ReadonlyMap<PlacedBus, SegmentDescription>
  /** PCI functions, in order of creation: a bridge before what is below it. */
  readonly functions: readonly PlacedDevice[]
  /** Devices that are virtual functions, of those among `functions` that bring them: by routing ID. */
  readonly virtual: ReadonlyMap<PlacedDevice, readonly PlacedDevice[]>
  /** Platform devices: IOMMUs. */
  readonly platform: readonly PlacedPlatformDevice[]
  /** Devices in the machine's virtio transports, in order of creation. */
  readonly virtio: readonly PlacedVirtioDevice[]
}

/** A device that stands on no bus. */
export interface PlacedPlatformDevice {
  readonly description: DeviceDescription
  readonly model: DeviceModel
  /** As given, typed. */
  readonly given: Properties
  /** The bus that `primary-bus` names, if any. */
  readonly primaryBus?: PlacedBus
}

/**
 * Gives every device a bus and a slot, in order of creation, by QEMU's rules. QEMU itself lets ports and bridges stand
 * anywhere, be it of use or not; only expanders must be on the machine's own bus.
 *
 * @param builtIn - functions of the machine's own on its root bus
 * @throws DmascopeError MACHINE_BUS, MACHINE_SLOT, MACHINE_PLUG and those of the catalogue, near QEMU's words
 */
export function placeDevices(
  machine: MachineDescription,
  root: MachineRoot,
  builtIn: readonly { readonly device: number; readonly fn: number; readonly model: string }[],
): Placement {
  const placer = new Placer(machine, machineBus(root, builtIn), new VirtioBuses(machine, root.virtioTransports ?? 0))
  for (const description of machine.devices) placer.add(description)
  return placer
}

class Placer implements Placement {
  readonly rootBus: PlacedBus
  readonly expanders = new Map<PlacedBus, PlacedDevice>()
  readonly hostBridges = new Map<PlacedBus, PlacedPlatformDevice>()
  readonly segments = new Map<PlacedBus, SegmentDescription>()
  readonly functions: PlacedDevice[] = []
  readonly platform: PlacedPlatformDevice[] = []
  readonly virtual: ReadonlyMap<PlacedDevice, readonly PlacedDevice[]>
  readonly #virtualPlaces: VirtualPlaces
  readonly virtio: PlacedVirtioDevice[] = []
  readonly #virtioBuses: VirtioBuses
  readonly #serialPorts = new SerialPorts()
  readonly #machine: MachineDescription
  readonly #hypervisor: Hypervisor
  readonly #buses = new NamedBuses()
  /** Where a device goes that names no bus. */
  #defaultBus: PlacedBus
  readonly #busNames: AutomaticBusNames
  /** Chassis and slot of each port that has a slot. */
  readonly #chassisSlots = new Set<string>()

  constructor(machine: MachineDescription, rootBus: PlacedBus, virtioBuses: VirtioBuses) {
    this.rootBus = rootBus
    this.#virtioBuses = virtioBuses
    this.#machine = machine
    this.#hypervisor = requireHypervisor(machine.hypervisor ?? 'qemu')
    this.#virtualPlaces = new VirtualPlaces(machine.qemuVersion)
    this.virtual = this.#virtualPlaces.of
    this.#busNames = new AutomaticBusNames(rootBus)
    this.#buses.add(rootBus)
    this.#defaultBus = rootBus
    for (const segment of machine.segments ?? []) this.#addSegment(segment)
  }

  #addSegment(segment: SegmentDescription): void {
    const { bus: name, location } = segment
    if (this.#buses.has(name)) {
      throw new DmascopeError('MACHINE_BUS', `${location.text}: another bus is called '${name}'; write another name`, {
        bus: name,
      })
    }
    const bus = machineBus({ name, nature: 'express' }, [])
    this.segments.set(bus, segment)
    this.#buses.add(bus)
  }

  add(description: DeviceDescription): void {
    const where = description.location.text
    const model = requireModel(description.model, this.#machine.qemuVersion, where)
    const given = checkProperties(model, description.properties, this.#machine.qemuVersion, where)
    if (model.kind === 'pci-host') this.#addHostBridge({ description, model, given })
    else if (model.plug === 'platform')
      this.platform.push({ description, model, given, ...this.#primaryBus(description, given) })
    if (model.kind === 'amd-iommu' && given['pci-id'] === undefined) this.#placeAmdFunction(description)
    if (model.plug === 'virtio-bus') {
      const other = (bus: string): 'PCI' | 'PCIE' | null => this.#kindOf(bus)
      const placed = this.#virtioBuses.place(description, model, given, other)
      const ports =
        model.kind === 'virtio-console' ? this.#serialPorts.addController(description, placed.properties) : []
      this.virtio.push({ ...placed, serialPorts: ports })
    }
    this.#serialPorts.add(description, model, given)
    if (model.plug === 'built-in' && description.location !== BY_DEFAULT) {
      throw refusePlace(
        'MACHINE_PLUG',
        description,
        `Parameter 'driver' expects a pluggable device type: the machine brings each '${model.name}' itself`,
      )
    }
    if (model.plug === 'channel') {
      throw refusePlace(
        'MACHINE_UNKNOWN_DEVICE',
        description,
        `'${model.name}' is for channels, which only s390-ccw-virtio has; write ${model.name.replace(/-ccw$/, '-pci')}`,
      )
    }
    if (model.plug === 'platform' || model.plug === 'not-pci' || model.plug === 'virtio-bus') return
    const placed = this.#place(description, model, given, this.#findBus(description))
    if (model.kind === 'host-bridge') this.#addExpanderBus(placed)
    else if (model.bridge !== null) {
      const below = secondaryBus(placed, this.#nameBelow(placed))
      this.#buses.add(below)
      // There is room for one device on the bus that it takes: what names no bus goes on behind it.
      if (this.hostBridges.get(placed.bus)?.model.name === 'pnv-phb') this.#defaultBus = below
    }
  }

  /** An AMD IOMMU makes its PCI function itself, on the machine's own bus, as it is created. */
  #placeAmdFunction({ location }: DeviceDescription): void {
    const { name } = AMD_IOMMU_FUNCTION
    this.#place({ model: name, properties: {}, location }, AMD_IOMMU_FUNCTION, {}, this.rootBus)
  }

  #place(description: DeviceDescription, model: DeviceModel, given: Properties, bus: PlacedBus): PlacedDevice {
    const expander = this.expanders.get(bus)
    if (expander !== undefined && (model.bridge === null || model.kind === 'host-bridge')) {
      throw refusePlace(
        'MACHINE_PLUG',
        description,
        `PCI: Only PCI/PCIe bridges can be plugged into ${expander.model.name}; name another bus, such as bus=${this.rootBus.name}, or a port on '${bus.name}'`,
      )
    }
    const serial = model.kind === 'virtio-console'
    const stated = confidentialDefaults(this.#machine, model, given)
    const defaults = withDefaults(model, stated, this.#machine.qemuVersion)
    const properties = serial ? withSerialVectors(defaults) : withBlockQueues(model, defaults, this.#machine.cpus)
    const slot = findSlot(description, model, bus)
    const hypervisor = this.#hypervisor
    const placed: PlacedDevice = {
      description,
      model,
      given,
      properties,
      bus,
      hypervisor,
      virtio: model.virtio === null ? null : virtioBehaviour(hypervisor, model, properties, this.#machine),
      serialPorts: serial ? this.#serialPorts.addController(description, properties) : [],
      ...slot,
    }
    refuseValues(placed, this.functions, this.#machine)
    if (model.kind === 'host-bridge') this.#checkExpander(placed)
    else if (model.plug === 'root' && !bus.root) {
      throw refusePlace(
        'MACHINE_PLUG',
        description,
        `${model.name} must be plugged on the root bus (${this.rootBus.name}), not on '${bus.name}'`,
      )
    }
    if (Object.hasOwn(model.properties, 'chassis')) this.#checkChassis(placed)
    const name = description.id === undefined ? model.name : `${model.name},id=${description.id}`
    bus.taken.set((slot.device << 3) | slot.fn, name)
    if (placed.given['sriov-pf'] !== undefined) bus.virtual.add((slot.device << 3) | slot.fn)
    if (!this.#virtualPlaces.add(placed)) this.functions.push(placed)
    return placed
  }

  /** Its bus is the newest: devices that name none go there, as with expanders. */
  #addHostBridge(bridge: PlacedPlatformDevice): void {
    const { description, model, given } = bridge
    checkNumaNode(description, model, given, this.#machine)
    const { id } = description
    const express = model.name === 'pnv-phb'
    const name = express
      ? (id ?? this.#busNames.next('pnv-phb4-root'))
      : id === undefined
        ? this.#busNames.next('pci')
        : `${id}.0`
    const bus = machineBus({ name, nature: express ? 'express' : 'conventional', acpiHotplug: !express }, [])
    this.hostBridges.set(bus, bridge)
    this.#buses.add(bus)
    this.#defaultBus = bus
  }

  /** A port's or bridge's own name, else one that tells only what kind of bus it is. */
  #nameBelow({ description, model }: PlacedDevice): string {
    return description.id ?? this.#busNames.next(model.bridge?.secondary === 'express' ? 'pcie' : 'pci')
  }

  /** A link to a bus that is there already. */
  #primaryBus(device: DeviceDescription, given: Properties): Pick<PlacedPlatformDevice, 'primaryBus'> {
    const name = given['primary-bus']
    if (name === undefined) return {}
    const bus = this.#buses.get(String(name))
    if (bus === undefined) throw refusePlace('MACHINE_BUS', device, `Device '${name}' not found`)
    return { primaryBus: bus }
  }

  #kindOf(name: string): 'PCI' | 'PCIE' | null {
    const bus = this.#buses.get(name)
    return bus === undefined ? null : bus.nature === 'express' ? 'PCIE' : 'PCI'
  }

  #findBus(device: DeviceDescription): PlacedBus {
    if (device.bus !== undefined && this.#virtioBuses.has(device.bus)) {
      throw refusePlace(
        'MACHINE_PLUG',
        device,
        `Device '${device.model}' can't go on virtio-mmio-bus bus; leave out bus=${device.bus}`,
      )
    }
    const bus = device.bus === undefined ? this.#defaultBus : this.#buses.get(device.bus)
    if (bus !== undefined) return bus
    const nearest = nearestName(device.bus as string, this.#buses.keys())
    throw refusePlace(
      'MACHINE_BUS',
      device,
      `Bus '${device.bus}' not found${nearest === null ? '' : `; did you mean '${nearest}'?`}`,
    )
  }

  /** QEMU's `pxb_dev_realize_common`, in its order. */
  #checkExpander({ description, model, properties, bus }: PlacedDevice): void {
    const refuse = (message: string): Error => refusePlace('MACHINE_PLUG', description, message)
    checkNumaNode(description, model, properties, this.#machine)
    if (model.name === 'pxb' && bus.nature === 'express') throw refuse('pxb devices cannot reside on a PCIe bus')
    if (model.name === 'pxb-pcie' && bus.nature !== 'express')
      throw refuse('pxb-pcie devices cannot reside on a PCI bus')
    if (bus !== this.rootBus) throw refuse('PXB devices can be attached only to root bus')
    const number = busNumberOf(properties)
    const taken = [...this.expanders.values()].some((other) => busNumberOf(other.properties) === number)
    if (model.name === 'pxb' && number === 0) {
      throw refuse(
        'Bridge chassis not specified. Each bridge is required to be assigned a unique chassis id > 0.; write bus_nr=<1 to 255>',
      )
    }
    // DEVIATION: QEMU lets number 0 pass where no bridge came before; then two root buses answer to it.
    if (taken || number === 0) throw refuse(`Bus ${number} is already in use`)
  }

  /**
   * An expander's root bus. That of a conventional one stays hidden behind a bridge that comes with it, and that bears
   * the name.
   *
   * Devices that name no bus go there from now on: QEMU looks for a PCI bus among the host bridges, newest first.
   */
  #addExpanderBus(expander: PlacedDevice): void {
    const { description, model, properties } = expander
    const express = model.name === 'pxb-pcie'
    const bus = express
      ? expanderBus(description.id ?? this.#busNames.next('pxb-pcie-bus'), 'express')
      : expanderBus('pxb-internal', 'conventional')
    this.expanders.set(bus, expander)
    this.#buses.add(bus)
    this.#defaultBus = bus
    if (express) return
    const { qemuVersion } = this.#machine
    const bridge = requireModel('pci-bridge', qemuVersion)
    const given: Record<string, PropertyValue> = { chassis_nr: busNumberOf(properties), shpc: false }
    const { id, location } = description
    const hidden: DeviceDescription = {
      model: bridge.name,
      properties: given,
      location,
      ...(id !== undefined && { id }),
    }
    const placed = this.#place(hidden, bridge, checkProperties(bridge, given, qemuVersion), bus)
    this.#buses.add(secondaryBus(placed, this.#nameBelow(placed)))
  }

  /** QEMU's `pcie_chassis_add_slot`: slots of ports are told apart by chassis and number. */
  #checkChassis({ description, properties }: PlacedDevice): void {
    const slot = `${Number(properties.chassis ?? 0)}.${Number(properties.slot ?? 0)}`
    if (this.#chassisSlots.has(slot)) {
      throw refusePlace(
        'MACHINE_PLUG',
        description,
        `Can't add chassis slot, error -16: another port has chassis ${slot.replace('.', ' and slot ')}; write chassis=<one of its own>`,
      )
    }
    this.#chassisSlots.add(slot)
  }
}

/** The number of an expander's root bus. */
export const busNumberOf = (properties: Properties): number => Number(properties.bus_nr ?? 0)
