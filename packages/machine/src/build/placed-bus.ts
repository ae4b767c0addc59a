import { DmascopeError } from '@dmascope/layout'
import type { ConsolePort } from '@dmascope/virtio-devices'
import type { Properties } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import type { DeviceDescription } from '../description.ts'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import type { VirtioBehaviour } from '../hypervisor/virtio-behaviour.ts'

/** A bus as devices are plugged into it. */
export interface PlacedBus {
  readonly name: string
  readonly nature: 'express' | 'conventional'
  /** The machine's own bus, or one that an expander brings. */
  readonly root: boolean
  /** The port or bridge that makes the bus; null for a root bus. */
  readonly above: PlacedDevice | null
  /** 1 where a standard hot-plug controller manages the bus: it has no slot 0. */
  readonly firstSlot: 0 | 1
  /** Firmware's hot-plug methods manage the bus: then those of the bridge above, if any, do not. */
  readonly acpiHotplug: boolean
  /** Device numbers that are not for devices of the description, a bit each; none unless given. */
  readonly reservedSlots?: number
  /** False where the machine takes no messages: then no function on the bus, or below it, has capabilities for them. */
  readonly messages?: boolean
  /** What sits at device << 3 | function, for QEMU's words about it. */
  readonly taken: Map<number, string>
  /** Of those, where virtual functions are: a function 0 beside them need not say that it is one of several. */
  readonly virtual: Set<number>
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
  readonly hypervisor: Hypervisor
  /** Of a virtio device. */
  readonly virtio: VirtioBehaviour | null
  /** Of a virtio-serial controller: grows as ports are plugged in. */
  readonly serialPorts: readonly ConsolePort[]
}

/** The root bus from which a bus hangs. */
export function rootBusOf(bus: PlacedBus): PlacedBus {
  let at = bus
  while (at.above !== null) at = at.above.bus
  return at
}

/** What a board says of its own root bus. */
export interface MachineRoot {
  readonly name: string
  readonly nature: PlacedBus['nature']
  /** Firmware's hot-plug methods, or the machine's own, reach the buses below it: so unless told otherwise. */
  readonly acpiHotplug?: boolean
  readonly reservedSlots?: number
  readonly messages?: boolean
  /** How many virtio-mmio transports the machine has; none unless given. */
  readonly virtioTransports?: number
}

/** Of a sun4u: on the bus with the board's own devices slots 1 to 3 are there, on the other 0 to 3. */
const SIMBA_RESERVED: Readonly<Record<string, number>> = { pciA: 0xffff_fff1, pciB: 0xffff_fff0 }

/** The machine's own root bus, with the functions that are there from the start. */
export function machineBus(
  { virtioTransports: _, ...root }: MachineRoot,
  builtIn: readonly { readonly device: number; readonly fn: number; readonly model: string }[],
): PlacedBus {
  return {
    root: true,
    above: null,
    virtual: new Set(),
    taken: new Map(builtIn.map(({ device, fn, model }) => [(device << 3) | fn, model])),
    multifunction: new Set(builtIn.filter(({ fn }) => fn !== 0).map(({ device }) => device)),
    firstSlot: 0,
    acpiHotplug: true,
    ...root,
  }
}

/** The root bus that an expander brings. Firmware's hot-plug methods do not reach it. */
export const expanderBus = (name: string, nature: PlacedBus['nature']): PlacedBus => ({
  firstSlot: 0,
  name,
  nature,
  root: true,
  above: null,
  acpiHotplug: false,
  taken: new Map(),
  virtual: new Set(),
  multifunction: new Set(),
})

/**
 * The secondary bus of a port or bridge.
 *
 * @param name - the device's own, where it has one
 */
export function secondaryBus(above: PlacedDevice, name: string): PlacedBus {
  const { model, properties, bus } = above
  if (model.bridge === null) throw new TypeError(`${model.name} leads to no bus`)
  // Of conventional bridges, these have a standard hot-plug controller.
  const controller = model.name === 'pcie-pci-bridge' || properties.shpc === true
  return {
    name,
    nature: model.bridge.secondary,
    root: false,
    above,
    firstSlot: controller && !bus.acpiHotplug ? 1 : 0,
    acpiHotplug: bus.acpiHotplug,
    taken: new Map(),
    virtual: new Set(),
    multifunction: new Set(),
    ...(bus.messages === false && { messages: false }),
    ...(model.name === 'pbm-bridge' && { reservedSlots: SIMBA_RESERVED[name] ?? 0 }),
  }
}

/** What QEMU refuses about a device's place, said with where it was written. */
export const refusePlace = (code: string, device: DeviceDescription, message: string): DmascopeError =>
  new DmascopeError(code, `${device.location.text}: ${message}`, {
    device: device.model,
    id: device.id ?? null,
    location: device.location.text,
  })
