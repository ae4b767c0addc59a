import { DmascopeError } from '@dmascope/layout'
import { describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription } from '../src/index.ts'

const assigned = (properties: DeviceDescription['properties']): string => {
  const { machine } = createMachine({
    machine: 'q35',
    qemuVersion: '11.1',
    name: 'test',
    source: 'file',
    memory: 64 * 0x10_0000,
    cpus: 1,
    defaultDevices: false,
    machineProperties: {},
    devices: [
      {
        model: 'vfio-pci',
        addr: { device: 4, function: 0 },
        properties: { host: '0000:01:00.0', ...properties },
        location: { text: 'test' },
      },
    ],
    append: '',
    ignored: [],
  })
  try {
    const slot = machine.root.rootBuses[0]!.slots.find(({ device }) => device === 4)
    const config = slot!.function.config
    const word = (offset: number, width: 2 | 4): string => config.read(offset, width).toString(16)
    return [word(0x00, 2), word(0x02, 2), word(0x2c, 2), word(0x2e, 2), word(0x08, 4)].join(' ')
  } finally {
    machine.dispose()
  }
}

describe('an assigned function shows itself', () => {
  it('as a stand-in, of which the command line does not tell', () => {
    expect(assigned({})).toBe('8086 10ed 8086 0 2000001')
  })

  it('as its properties say, and keeps its revision', () => {
    expect(
      assigned({
        'x-pci-vendor-id': 0x10de,
        'x-pci-device-id': 0x1234,
        'x-pci-sub-vendor-id': 0x1043,
        'x-pci-sub-device-id': 0xffff,
        'x-pci-class-code': 0x03_00_00,
      }),
    ).toBe('10de 1234 1043 ffff 3000001')
  })

  it('as it is where a property is PCI_ANY_ID', () => {
    expect(assigned({ 'x-pci-vendor-id': 0xffff_ffff, 'x-pci-class-code': 0xffff_ffff })).toBe(
      '8086 10ed 8086 0 2000001',
    )
  })

  it.each([
    ['x-pci-vendor-id', 0xffff, 'invalid PCI vendor ID provided'],
    ['x-pci-device-id', 0x1_0000, 'invalid PCI device ID provided'],
    ['x-pci-sub-vendor-id', 0x1_0000, 'invalid PCI subsystem vendor ID provided'],
    ['x-pci-sub-device-id', 0x1_0000, 'invalid PCI subsystem device ID provided'],
    ['x-pci-class-code', 0x100_0000, 'invalid PCI class code provided'],
  ])('and is refused where %s is 0x%x', (property, value, words) => {
    let message = ''
    try {
      assigned({ [property]: value })
    } catch (error) {
      if (error instanceof DmascopeError) message = error.message
    }
    expect(message).toContain(words)
  })
})
