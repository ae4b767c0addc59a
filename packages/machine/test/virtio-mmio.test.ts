import { findAcpiDevices } from '@dmascope/acpi'
import { parseDtb } from '@dmascope/devicetree'
import { describe, expect, test } from 'vitest'
import { createMachine, type DeviceDescription, type MachineDescription } from '../src/index.ts'
import { build as buildMachine, describeMachine, device, refusalOf } from './described-machine.ts'

const FIRST = 0x0a00_0000
const at = (transport: number): number => FIRST + transport * 0x200

const virt = (devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}): MachineDescription =>
  describeMachine('virt', devices, { cpu: 'cortex-a57', machineProperties: { 'gic-version': '3' }, ...more })

const build = (...given: Parameters<typeof virt>) => buildMachine(virt(...given))
const refusal = (...given: Parameters<typeof virt>): string => refusalOf(virt(...given))

describe('the transports of a virt', () => {
  test('are 32, of version 1 unless told otherwise, and empty: device ID 0', () => {
    const { bus } = build([]).machine
    for (const transport of [0, 7, 31]) {
      expect([0, 4, 8, 12].map((offset) => bus.read32(at(transport) + offset))).toEqual([
        0x7472_6976, 1, 0, 0x554d_4551,
      ])
    }
    expect(bus.read32(at(32))).toBe(0xffff_ffff)
  })

  test('fill from the last one down, as QEMU finds the newest bus first; bus= names one', () => {
    const { bus } = build([
      device('virtio-rng-device'),
      device('virtio-net-device', { bus: 'virtio-mmio-bus.3' }),
      device('virtio-blk-device', { bus: 'virtio-mmio-bus.30' }),
      device('virtio-balloon-device'),
    ]).machine
    const types = Array.from({ length: 32 }, (_, transport) => bus.read32(at(transport) + 8))
    expect(types.flatMap((type, transport) => (type === 0 ? [] : [[transport, type]]))).toEqual([
      [3, 1],
      [29, 5],
      [30, 2],
      [31, 4],
    ])
  })

  test('are of version 2 with force-legacy=off, and offer bit 33 where it was asked for', () => {
    const { bus } = build(
      [device('virtio-rng-device', { properties: { iommu_platform: 'on' } }), device('virtio-rng-device')],
      { virtioTransports: { 'force-legacy': 'off' } },
    ).machine
    const upper = (transport: number): number => {
      bus.write32(at(transport) + 0x14, 1)
      return bus.read32(at(transport) + 0x10)
    }
    expect([bus.read32(at(0) + 4), bus.read32(at(31) + 4)]).toEqual([2, 2])
    expect([upper(31), upper(30)]).toEqual([0x103, 0x101])
  })

  test('take iommu_platform=on where they are legacy, and show nothing of it', () => {
    const { bus } = build([device('virtio-rng-device', { properties: { iommu_platform: 'on' } })]).machine
    bus.write32(at(31) + 0x14, 1)
    expect(bus.read32(at(31) + 0x10)).toBe(0)
  })

  test('lead to memory past the SMMU, whatever iommu_platform says: no bus there has an IOMMU', () => {
    const { machine } = build([device('virtio-rng-device', { properties: { iommu_platform: 'on' }, id: 'r0' })], {
      machineProperties: { 'gic-version': '3', iommu: 'smmuv3' },
      virtioTransports: { 'force-legacy': 'off' },
    })
    expect(machine.observe().at(-1)).toMatchObject({
      id: 'mmio:0xa003e00',
      model: 'virtio-rng-device',
      deviceId: 'r0',
      behindIommu: false,
    })
  })

  test('are told of alike by the tree and the DSDT', () => {
    const { machine, deviceTree } = build([], { machineProperties: { 'gic-version': '3', firmware: 'QEMU_EFI.fd' } })
    const blob = new Uint8Array(0x10_0000)
    machine.bus.readBytes(deviceTree!, blob)
    const nodes = [...parseDtb(blob).nodes()].filter((node) => node.strings('compatible').includes('virtio,mmio'))
    expect(nodes).toHaveLength(32)
    // Registers, and the interrupt as the GIC numbers it: shared ones from 32 on.
    const told = nodes.map((node) => [node.cells('reg')[1], node.cells('reg')[3], 32 + node.cells('interrupts')[1]!])
    expect(told[31]).toEqual([0x0a00_3e00, 0x200, 79])
    const { files } = createMachine(virt([], { machineProperties: { 'gic-version': '3', firmware: 'QEMU_EFI.fd' } }))
    const tables = files.get('etc/acpi/tables')!.bytes
    const start = tablesStart(tables, 'DSDT')
    const length = new DataView(tables.buffer, tables.byteOffset).getUint32(start + 4, true)
    const devices = findAcpiDevices(tables.slice(start, start + length), 'LNRO0005')
    expect(devices.map(({ resources }) => [resources?.memory[0]?.first, 0x200, resources?.interrupts[0]])).toEqual(told)
    expect(devices.every(({ coherent }) => coherent === true)).toBe(true)
  })
})

function tablesStart(bytes: Uint8Array, signature: string): number {
  const wanted = new TextEncoder().encode(signature)
  for (let offset = 0; offset + 4 <= bytes.length; offset++) {
    if (wanted.every((letter, index) => bytes[offset + index] === letter)) return offset
  }
  return -1
}

describe('QEMU refuses', () => {
  test.each([
    [
      'a bus that is not there',
      [device('virtio-rng-device', { bus: 'virtio-mmio-bus.32' })],
      "Bus 'virtio-mmio-bus.32' not found",
    ],
    [
      'a second device in a transport',
      [
        device('virtio-rng-device', { bus: 'virtio-mmio-bus.3' }),
        device('virtio-rng-device', { bus: 'virtio-mmio-bus.3' }),
      ],
      "Bus 'virtio-mmio-bus.3' is full",
    ],
    [
      'a bus of PCI',
      [device('virtio-rng-device', { bus: 'pcie.0' })],
      "Device 'virtio-rng-device' can't go on PCIE bus",
    ],
    [
      'a function in a transport',
      [device('virtio-rng-pci', { bus: 'virtio-mmio-bus.3' })],
      "Device 'virtio-rng-pci' can't go on virtio-mmio-bus bus",
    ],
    ['the transport itself', [device('virtio-mmio')], "Parameter 'driver' expects a pluggable device type"],
    ['an IOMMU there', [device('virtio-iommu-device')], 'VIRTIO-IOMMU is not attached to any PCI bus!'],
    [
      'a thirty-third device',
      Array.from({ length: 33 }, () => device('virtio-rng-device')),
      "A 'virtio-bus' bus was found but is full",
    ],
  ] as const)('%s', (_, devices, words) => {
    expect(refusal(devices)).toContain(words)
  })

  test('a virtio device without a transport on a machine that has none', () => {
    const words = refusal([device('virtio-rng-device')], { machine: 'q35', machineProperties: {} })
    expect(words).toContain("No 'virtio-bus' bus found for device 'virtio-rng-device'; on PCI it is 'virtio-rng-pci'")
  })
})
