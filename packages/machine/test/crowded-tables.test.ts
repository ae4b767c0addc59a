import { describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription, describePreset, findPreset } from '../src/index.ts'

const LOCATION = { text: 'test' }
const FUNCTIONS_A_BUS = 31 * 8

/** So many bridges on root buses, those of expanders, with a unit in front of them. */
function crowded(functions: number): DeviceDescription[] {
  const devices: DeviceDescription[] = [{ model: 'intel-iommu', properties: {}, location: LOCATION }]
  const buses = Math.ceil(functions / FUNCTIONS_A_BUS)
  for (let bus = 0; bus < buses; bus++) {
    const addr = { device: 1 + (bus >> 3), function: bus & 7 }
    const properties = { bus_nr: 2 + bus, ...((bus & 7) === 0 ? { multifunction: 'on' } : {}) }
    devices.push({ model: 'pxb-pcie', id: `bus${bus}`, bus: 'pcie.0', addr, properties, location: LOCATION })
  }
  for (let index = 0; index < functions; index++) {
    const addr = { device: 1 + ((index % FUNCTIONS_A_BUS) >> 3), function: index & 7 }
    const bus = `bus${Math.floor(index / FUNCTIONS_A_BUS)}`
    const properties = (index & 7) === 0 ? { multifunction: 'on' } : {}
    devices.push({ model: 'pci-bridge', bus, addr, properties: { ...properties, chassis_nr: 1 }, location: LOCATION })
  }
  return devices
}

const build = (functions: number): void => {
  const description = describePreset(findPreset('default'))
  createMachine({ ...description, devices: crowded(functions) }).machine.dispose()
}

describe('a DRHD', () => {
  // Besides: 33 expanders, and the chipset's four.
  it('holds 8188 functions and the I/O APIC', () => {
    expect(() => build(8188 - 33 - 4)).not.toThrow()
  })

  it('and one more is refused, with what to do', () => {
    expect(() => build(8188 - 33 - 4 + 1)).toThrow(
      expect.objectContaining({
        code: 'MACHINE_NOT_MODELLED',
        message: expect.stringContaining('8189 functions on root buses do not fit'),
      }),
    )
  })
})
