import { parseTable } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { createMachine, type MachineDescription } from '../src/index.ts'
import { refusalOf, using } from './described-machine.ts'
import { at, describeQ35, device, expander, port } from './described-q35.ts'
import { table } from './fw-cfg-files.ts'

/** Functions as they are plugged in, `bus:device.function model`, before anybody numbers the buses below bridges. */
const plugged = (description: MachineDescription): string[] =>
  using(description, (machine) =>
    machine
      .observe()
      .filter(({ deviceId }) => deviceId !== null)
      .map(({ id, model, deviceId }) => `${id.slice(5)} ${model} ${deviceId}`),
  )

const behindIommu = (description: MachineDescription): Record<string, boolean> =>
  using(description, (machine) =>
    Object.fromEntries(
      machine.observe().flatMap(({ deviceId, behindIommu: behind }) => (deviceId === null ? [] : [[deviceId, behind]])),
    ),
  )

describe('placement', () => {
  it('gives an expander a function on the machine’s bus, and a root bus of its number', () => {
    const machine = describeQ35([expander('pxb', 0x80, 0x10), port('rp', 'pxb', 1, 0)])
    expect(plugged(machine)).toEqual(['00:10.0 pxb-pcie pxb', '80:00.0 pcie-root-port rp'])
  })

  it('sends devices that name no bus to the newest expander, as QEMU’s search does', () => {
    const machine = describeQ35([
      device('virtio-rng-pci', {}, { id: 'before' }),
      expander('pxb', 0x80, 0x10),
      device('pcie-root-port', { chassis: 1 }, { id: 'after' }),
      device('virtio-rng-pci', {}, { id: 'named', bus: 'pcie.0' }),
    ])
    expect(plugged(machine)).toEqual([
      '00:01.0 virtio-rng-pci before',
      '00:02.0 virtio-rng-pci named',
      '00:10.0 pxb-pcie pxb',
      '80:00.0 pcie-root-port after',
    ])
  })

  it.each(['pxb-pcie', 'pxb'])('lets nothing but bridges stand on the own bus of %s', (model) => {
    const express = model === 'pxb-pcie'
    const root = express ? 'pcie.0' : 'pci.0'
    const description = describeQ35(
      [device(model, { bus_nr: 8 }, { id: 'x', bus: root }), device('virtio-rng-pci', {}, { id: 'after' })],
      { machine: express ? 'q35' : 'pc' },
    )
    expect(() => createMachine(description)).toThrow(
      `PCI: Only PCI/PCIe bridges can be plugged into ${model}; name another bus, such as bus=${root}`,
    )
  })

  it('puts a bridge without a hot-plug controller on a conventional expander’s bus, which bears its name', () => {
    const machine = describeQ35(
      [device('pxb', { bus_nr: 8 }, { id: 'pxb' }), device('e1000', {}, { id: 'nic', bus: 'pxb' })],
      { machine: 'pc' },
    )
    using(machine, ({ root }) => {
      const [bridge] = root.rootBuses[1]!.slots
      const { config } = bridge!.function
      expect([bridge!.device, config.vendorId, config.deviceId, config.interruptPin]).toEqual([0, 0x1b36, 0x0001, 0])
      // Its only capability is that of its slot number, at 0x40; and it has no BAR.
      expect([config.read(0x34, 1), config.read(0x40, 2), config.bars.length]).toEqual([0x40, 0x0004, 0])
      expect(root.functionAt(0x0800)).toBe(bridge!.function)
      config.write(0x18, 4, 0x0009_0908)
      expect(root.functionAt(0x0900)?.config.deviceId).toBe(0x100e)
    })
  })

  it('lets ports, switches and bridges stand anywhere, as QEMU does', () => {
    expect(
      plugged(
        describeQ35([
          device('x3130-upstream', {}, { id: 'up' }),
          device('xio3130-downstream', {}, { id: 'down' }),
          device('pcie-root-port', { chassis: 2 }, { id: 'rp' }),
          device('i82801b11-bridge', {}, { id: 'dmi' }),
        ]),
      ).map((line) => line.slice(0, 7)),
    ).toEqual(['00:01.0', '00:02.0', '00:03.0', '00:04.0'])
    expect(plugged(describeQ35([device('ioh3420', {}, { id: 'rp' })], { machine: 'pc' }))).toEqual([
      '00:02.0 ioh3420 rp',
    ])
  })

  it('lets a second device stand at the end of a link', () => {
    const below = { bus: 'rp' }
    const machine = describeQ35([
      port('rp', 'pcie.0', 1, 2),
      device('e1000e', {}, { id: 'first', ...below }),
      device('e1000e', {}, { id: 'second', ...below }),
    ])
    using(machine, ({ root }) => {
      expect(root.functionAt(0x0010)).not.toBeNull()
      root.configWrite(0, 2, 0, 0x18, 4, 0x0001_0100)
      expect(root.configRead(1, 1, 0, 0, 4)).toBe(0x10d3_8086)
    })
  })
})

describe('refusals', () => {
  const rp = port('rp', 'pcie.0', 1, 2)
  it.each<[string, MachineDescription, string]>([
    [
      'a conventional expander on q35',
      describeQ35([device('pxb', { bus_nr: 8 })]),
      'pxb devices cannot reside on a PCIe bus',
    ],
    [
      'an express expander on pc',
      describeQ35([device('pxb-pcie', { bus_nr: 8 })], { machine: 'pc' }),
      'pxb-pcie devices cannot reside on a PCI bus',
    ],
    [
      'an expander below a port',
      describeQ35([rp, device('pxb-pcie', { bus_nr: 8 }, { bus: 'rp' })]),
      'PXB devices can be attached only to root bus',
    ],
    [
      'an expander on an expander’s bus',
      describeQ35([expander('a', 8, 3), device('pxb-pcie', { bus_nr: 9 })]),
      'PCI: Only PCI/PCIe bridges can be plugged into pxb-pcie',
    ],
    ['a bus number that is taken', describeQ35([expander('a', 8, 3), expander('b', 8, 4)]), 'Bus 8 is already in use'],
    [
      'a conventional expander without a number',
      describeQ35([device('pxb', {})], { machine: 'pc' }),
      'Bridge chassis not specified. Each bridge is required to be assigned a unique chassis id > 0.',
    ],
    [
      'ports with the same chassis and slot',
      describeQ35([rp, port('other', 'pcie.0', 1, 3)]),
      "Can't add chassis slot, error -16",
    ],
    [
      'slot 0 behind a standard hot-plug controller that firmware’s methods do not replace',
      describeQ35([
        expander('a', 8, 3),
        device('pcie-pci-bridge', {}, { id: 'br', bus: 'a' }),
        device('e1000', {}, { bus: 'br' }),
      ]),
      'Unsupported PCI slot 0 for standard hotplug controller. Valid slots are between 1 and 31.',
    ],
  ])('refuses %s in QEMU’s words', (_what, description, words) => {
    expect(refusalOf(description)).toContain(words)
  })

  it('accepts slot 0 where firmware’s hot-plug methods manage the bridge', () => {
    const bridge = device('pcie-pci-bridge', {}, { id: 'br' })
    expect(refusalOf(describeQ35([bridge, device('e1000', {}, { bus: 'br' })]))).toBe('accepted')
  })
})

describe('wiring by root bus', () => {
  const on = { iommu_platform: 'on', 'disable-legacy': 'on' }
  const devices = [
    device('intel-iommu'),
    device('virtio-rng-pci', on, { id: 'root', ...at(2) }),
    expander('past', 0x40, 4, { bypass_iommu: 'on' }),
    expander('through', 0x80, 5),
    port('rp1', 'past', 1, 0),
    port('rp2', 'through', 2, 0),
    device('virtio-rng-pci', on, { id: 'below-past', bus: 'rp1' }),
    device('virtio-rng-pci', on, { id: 'below-through', bus: 'rp2' }),
  ]
  const bypassed = describeQ35(devices, { machineProperties: { default_bus_bypass_iommu: true } })

  it('bypass_iommu takes all below that expander past the IOMMU, and not the expander itself', () => {
    expect(behindIommu(describeQ35(devices))).toEqual({
      root: true,
      past: true,
      through: true,
      rp1: false,
      rp2: true,
      'below-past': false,
      'below-through': true,
    })
  })

  it('default_bus_bypass_iommu takes the machine’s own bus past it, and no expander’s', () => {
    expect(behindIommu(bypassed)).toMatchObject({
      root: false,
      past: false,
      rp1: false,
      rp2: true,
      'below-through': true,
    })
  })

  it('DMAR names the functions on root buses that do not bypass, ports for what is below them', () => {
    const scopes = (description: MachineDescription): string[] =>
      using(description, (machine) => {
        const dmar = parseTable(table(machine, 'DMAR'))
        const drhd = 'records' in dmar ? (dmar.records[0] as { scopes?: readonly Record<string, unknown>[] }) : {}
        return (drhd.scopes ?? []).map(({ kind, startBusNumber, path }) => {
          const [step] = path as readonly { device: number; function: number }[]
          return `${kind} ${startBusNumber}:${step?.device}.${step?.function}`
        })
      })
    expect(scopes(describeQ35(devices))).toEqual([
      'ioapic 255:0.0',
      'endpoint 0:0.0',
      'endpoint 0:2.0',
      'endpoint 0:4.0',
      'endpoint 0:5.0',
      'endpoint 0:31.0',
      'endpoint 0:31.2',
      'endpoint 0:31.3',
      'bridge 128:0.0',
    ])
    expect(scopes(bypassed)).toEqual(['ioapic 255:0.0', 'bridge 128:0.0'])
  })

  it('requests from below conventional bridges bear the bridge’s ID, or that of its secondary bus', () => {
    const machine = describeQ35([
      device('pcie-pci-bridge', {}, { id: 'express', ...at(5) }),
      device('i82801b11-bridge', {}, { id: 'dmi', ...at(9) }),
      device('e1000', {}, { bus: 'express', ...at(3) }),
      device('pci-bridge', { chassis_nr: 1 }, { id: 'pb', bus: 'dmi', ...at(1) }),
      device('e1000', {}, { bus: 'pb', ...at(1) }),
    ])
    using(machine, ({ root }) => {
      const number = (bus: number, slot: number, secondary: number, subordinate: number): void =>
        root.configWrite(bus, slot, 0, 0x18, 4, (subordinate << 16) | (secondary << 8) | bus)
      number(0, 5, 5, 5)
      number(0, 9, 0xc, 0xd)
      number(0xc, 1, 0xd, 0xd)
      expect(root.sourceIdOf(root.functionAt(0x0518)!)).toBe(0x0500)
      expect(root.sourceIdOf(root.functionAt(0x0d08)!)).toBe(0x0048)
    })
  })
})
