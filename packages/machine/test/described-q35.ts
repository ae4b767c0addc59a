import type { DeviceDescription, MachineDescription } from '../src/index.ts'
import { describeMachine, device as deviceOf } from './described-machine.ts'

/** A device with these properties. */
export const device = (
  model: string,
  properties: DeviceDescription['properties'] = {},
  more: Partial<DeviceDescription> = {},
): DeviceDescription => deviceOf(model, { properties, ...more })

/** Where a device stands on its bus. */
export const at = (number: number, fn = 0): Pick<DeviceDescription, 'addr'> => ({
  addr: { device: number, function: fn },
})

/** A further root bus of this number. */
export const expander = (
  id: string,
  bus_nr: number,
  slot: number,
  more: DeviceDescription['properties'] = {},
): DeviceDescription => device('pxb-pcie', { bus_nr, ...more }, { id, bus: 'pcie.0', ...at(slot) })

export const port = (id: string, bus: string, chassis: number, slot: number): DeviceDescription =>
  device('pcie-root-port', { chassis }, { id, bus, ...at(slot) })

/** A q35 with these devices and no others. */
export const describeQ35 = (
  devices: readonly DeviceDescription[],
  more: Partial<MachineDescription> = {},
): MachineDescription => describeMachine('q35', devices, more)
