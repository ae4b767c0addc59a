import { DmascopeError } from '@dmascope/layout'
import { requireModel } from '../catalogue/catalogue.ts'
import { checkProperties, type Properties, withDefaults } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import { nearestName } from '../catalogue/nearest-name.ts'
import type { DeviceDescription, MachineDescription } from '../description.ts'

/** A bus as devices are plugged into it. */
export interface PlacedBus {
  readonly name: string
  readonly nature: 'express' | 'conventional'
  readonly root: boolean
  /** The device that makes the bus; null for the machine's own root bus. */
  readonly above: PlacedDevice | null
  /** Device numbers that may be used: 32, or 1 at the end of a PCI Express link. */
  readonly slots: number
  /** What sits at device << 3 | function, for QEMU's words about it. */
  readonly taken: Map<number, string>
  /** Device numbers whose function 0 says that it is one of several. */
  readonly multifunction: Set<number>
}

/** A device with its place, its model and all of its properties. */
export interface PlacedDevice {
  readonly description: DeviceDescription
  readonly model: DeviceModel
  /** As given, typed. */
  readonly given: Properties
  /** With QEMU's defaults for the rest. */
  readonly properties: Properties
  readonly bus: PlacedBus
  readonly device: number
  readonly fn: number
}

export interface Placement {
  readonly rootBus: PlacedBus
  /** PCI functions, in order of creation: a bridge before what is below it. */
  readonly functions: readonly PlacedDevice[]
  /** Platform devices: IOMMUs. */
  readonly platform: readonly {
    readonly description: DeviceDescription
    readonly model: DeviceModel
    readonly given: Properties
  }[]
}

const refuse = (code: string, device: DeviceDescription, message: string): DmascopeError =>
  new DmascopeError(code, `${device.location.text}: ${message}`, {
    device: device.model,
    id: device.id ?? null,
    location: device.location.text,
  })

/**
 * Gives every device a bus and a slot, in order of creation, by QEMU's rules: the lowest free device number, function 0.
 *
 * @param builtIn - functions of the machine's own on its root bus
 * @throws DmascopeError MACHINE_BUS, MACHINE_SLOT, MACHINE_PLUG and those of the catalogue, near QEMU's words
 */
export function placeDevices(
  machine: MachineDescription,
  root: { readonly name: string; readonly nature: PlacedBus['nature'] },
  builtIn: readonly { readonly device: number; readonly fn: number; readonly model: string }[],
): Placement {
  const rootBus: PlacedBus = {
    name: root.name,
    nature: root.nature,
    root: true,
    above: null,
    slots: 32,
    taken: new Map(),
    multifunction: new Set(builtIn.filter(({ fn }) => fn !== 0).map(({ device }) => device)),
  }
  for (const { device, fn, model } of builtIn) rootBus.taken.set((device << 3) | fn, model)
  const buses = new Map<string, PlacedBus>([[root.name, rootBus]])
  const functions: PlacedDevice[] = []
  const platform: Placement['platform'][number][] = []
  for (const description of machine.devices) {
    const where = description.location.text
    const model = requireModel(description.model, machine.qemuVersion, where)
    const given = checkProperties(model, description.properties, machine.qemuVersion, where)
    const properties = withDefaults(model, given, machine.qemuVersion)
    if (model.plug === 'platform') platform.push({ description, model, given })
    if (model.plug === 'platform' || model.plug === 'not-pci') continue
    const bus = findBus(description, model, rootBus, buses)
    const { device, fn } = findSlot(description, model, bus)
    const placed: PlacedDevice = { description, model, given, properties, bus, device, fn }
    bus.taken.set((device << 3) | fn, description.id === undefined ? model.name : `${model.name},id=${description.id}`)
    functions.push(placed)
    if (model.bridge !== null && description.id !== undefined) {
      buses.set(description.id, {
        name: description.id,
        nature: model.bridge.secondary,
        root: false,
        above: placed,
        slots: model.bridge.slots,
        taken: new Map(),
        multifunction: new Set(),
      })
    }
  }
  return { rootBus, functions, platform }
}

function findBus(
  device: DeviceDescription,
  model: DeviceModel,
  rootBus: PlacedBus,
  buses: ReadonlyMap<string, PlacedBus>,
): PlacedBus {
  const bus = device.bus === undefined ? rootBus : buses.get(device.bus)
  if (bus === undefined) {
    const nearest = nearestName(device.bus as string, buses.keys())
    throw refuse(
      'MACHINE_BUS',
      device,
      `Bus '${device.bus}' not found${nearest === null ? '' : `; did you mean '${nearest}'?`}`,
    )
  }
  if (model.plug === 'root' && !bus.root) {
    throw refuse(
      'MACHINE_PLUG',
      device,
      `${model.name} must be plugged on the root bus (${rootBus.name}), not on '${bus.name}'`,
    )
  }
  if (model.plug === 'express-root' && !(bus.root && bus.nature === 'express')) {
    throw refuse(
      'MACHINE_PLUG',
      device,
      `${model.name} must be plugged on a PCI Express root bus, and '${bus.name}' is none`,
    )
  }
  if (model.plug === 'below-port' && (bus.root || bus.nature !== 'express')) {
    throw refuse(
      'MACHINE_PLUG',
      device,
      `${model.name} must be plugged below a root port or a downstream port; write bus=<id of one>`,
    )
  }
  if (model.plug === 'below-upstream' && bus.above?.model.kind !== 'upstream-port') {
    throw refuse('MACHINE_PLUG', device, `${model.name} must be plugged below an upstream port; write bus=<id of one>`)
  }
  return bus
}

function findSlot(device: DeviceDescription, model: DeviceModel, bus: PlacedBus): { device: number; fn: number } {
  const { addr } = device
  if (addr === undefined) {
    for (let slot = 0; slot < bus.slots; slot++) {
      // Only function 0 counts: a slot that has others alone is taken for free, and refused below (QEMU's way).
      if (!bus.taken.has(slot << 3)) return withinSlot(device, model, bus, slot, 0)
    }
    throw refuse(
      'MACHINE_SLOT',
      device,
      `PCI: no slot/function available for ${model.name}, all in use or reserved on '${bus.name}'`,
    )
  }
  if (addr.device >= bus.slots) {
    throw refuse(
      'MACHINE_SLOT',
      device,
      `PCI: slot ${addr.device} is not valid for ${model.name}, parent device only allows plugging into slot 0.`,
    )
  }
  const holder = bus.taken.get((addr.device << 3) | addr.function)
  if (holder !== undefined) {
    throw refuse(
      'MACHINE_SLOT',
      device,
      `PCI: slot ${addr.device} function ${addr.function} not available for ${model.name}, in use by ${holder}`,
    )
  }
  return withinSlot(device, model, bus, addr.device, addr.function)
}

/** Functions beyond 0 are found only where function 0 says that there are some. */
function withinSlot(
  description: DeviceDescription,
  model: DeviceModel,
  bus: PlacedBus,
  device: number,
  fn: number,
): { device: number; fn: number } {
  const isMultifunction = ['on', true].includes(description.properties.multifunction as string | boolean)
  const taken = Array.from({ length: 8 }, (_, other) => bus.taken.has((device << 3) | other))
  if (fn === 0 && taken.includes(true) && !isMultifunction) {
    throw refuse(
      'MACHINE_SLOT',
      description,
      `PCI: ${device}.0 indicates single function, but ${device}.${taken.indexOf(true)} is already populated.`,
    )
  }
  if (fn !== 0 && taken[0] === true && !bus.multifunction.has(device)) {
    throw refuse(
      'MACHINE_SLOT',
      description,
      `PCI: slot ${device} function 0 already occupied by ${bus.taken.get(device << 3)}, new func ${model.name} cannot be exposed to guest.`,
    )
  }
  if (fn === 0 && isMultifunction) bus.multifunction.add(device)
  return { device, fn }
}
