import type { DeviceModel } from '../catalogue/model.ts'
import type { DeviceDescription } from '../description.ts'
import { BY_DEFAULT } from './default-devices.ts'
import { type PlacedBus, refusePlace } from './placed-bus.ts'

export interface Slot {
  readonly device: number
  readonly fn: number
}

const SLOTS = 32

/**
 * Where on its bus a device goes: as written, else function 0 of the lowest device number whose function 0 is free. At
 * the end of a PCI Express link too: QEMU lets devices stand there at numbers other than 0, where no guest finds them.
 *
 * @throws DmascopeError MACHINE_SLOT in QEMU's words
 */
export function findSlot(device: DeviceDescription, model: DeviceModel, bus: PlacedBus): Slot {
  const slot = device.addr === undefined ? freeSlot(device, model, bus) : statedSlot(device, model, bus, device.addr)
  checkFunctions(device, bus, slot)
  if (slot.device < bus.firstSlot) {
    throw refusePlace(
      'MACHINE_SLOT',
      device,
      `Unsupported PCI slot ${slot.device} for standard hotplug controller. Valid slots are between 1 and 31.`,
    )
  }
  return slot
}

function freeSlot(device: DeviceDescription, model: DeviceModel, bus: PlacedBus): Slot {
  // Only function 0 counts: a slot that has others alone is taken for free, and refused later (QEMU's way).
  for (let slot = 0; slot < SLOTS; slot++)
    if (!bus.taken.has(slot << 3) && !isReserved(device, bus, slot)) return { device: slot, fn: 0 }
  throw refusePlace(
    'MACHINE_SLOT',
    device,
    `PCI: no slot/function available for ${model.name}, all in use or reserved on '${bus.name}'`,
  )
}

function statedSlot(
  device: DeviceDescription,
  model: DeviceModel,
  bus: PlacedBus,
  addr: NonNullable<DeviceDescription['addr']>,
): Slot {
  const holder = bus.taken.get((addr.device << 3) | addr.function)
  if (holder !== undefined) {
    throw refusePlace(
      'MACHINE_SLOT',
      device,
      `PCI: slot ${addr.device} function ${addr.function} not available for ${model.name}, in use by ${holder}`,
    )
  }
  if (isReserved(device, bus, addr.device)) {
    throw refusePlace(
      'MACHINE_SLOT',
      device,
      `PCI: slot ${addr.device} function ${addr.function} not available for ${model.name}, reserved`,
    )
  }
  return { device: addr.device, fn: addr.function }
}

/** For what the machine brings itself nothing is reserved. */
const isReserved = (device: DeviceDescription, { reservedSlots = 0 }: PlacedBus, slot: number): boolean =>
  ((reservedSlots >>> slot) & 1) === 1 && device.location !== BY_DEFAULT

/** Functions beyond 0 are found only where function 0 says that there are some. */
function checkFunctions(description: DeviceDescription, bus: PlacedBus, { device, fn }: Slot): void {
  // Of a virtual function nothing of this is asked.
  if (description.properties['sriov-pf'] !== undefined) return
  const isMultifunction = ['on', true].includes(description.properties.multifunction as string | boolean)
  const first = device << 3
  if (fn === 0 && !isMultifunction) {
    let populated = -1
    let hasSibling = false
    for (let other = 7; other >= 0; other--) {
      if (!bus.taken.has(first | other)) continue
      populated = other
      hasSibling ||= !bus.virtual.has(first | other)
    }
    const slot = device.toString(16)
    if (hasSibling) {
      throw refusePlace(
        'MACHINE_SLOT',
        description,
        `PCI: ${slot}.0 indicates single function, but ${slot}.${populated} is already populated.`,
      )
    }
  }
  if (fn !== 0 && bus.taken.has(first) && !bus.multifunction.has(device)) {
    throw refusePlace(
      'MACHINE_SLOT',
      description,
      `PCI: single function device can't be populated in function ${device.toString(16)}.${fn}`,
    )
  }
  if (fn === 0 && isMultifunction) bus.multifunction.add(device)
}
