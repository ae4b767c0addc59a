import { findHostBridges, parseTable } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { ICH9_ROUTING, PIIX3_ROUTING } from '../src/chipset/interrupt-routing.ts'
import { windowsOf, without } from '../src/firmware/bus-windows.ts'
import {
  createMachine,
  type DeviceDescription,
  DmascopeError,
  type Machine,
  type MachineDescription,
} from '../src/index.ts'

const device = (
  model: string,
  properties: DeviceDescription['properties'] = {},
  more: Partial<DeviceDescription> = {},
): DeviceDescription => ({ model, properties, location: { text: `test (${model})` }, ...more })

const at = (number: number, fn = 0): Pick<DeviceDescription, 'addr'> => ({ addr: { device: number, function: fn } })

const describeMachine = (
  devices: readonly DeviceDescription[],
  more: Partial<MachineDescription> = {},
): MachineDescription => ({
  machine: 'q35',
  qemuVersion: '11.1',
  name: 'test',
  source: 'file',
  memory: 0x2000_0000,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices,
  append: '',
  ignored: [],
  ...more,
})

function using<Result>(description: MachineDescription, use: (machine: Machine) => Result): Result {
  const { machine } = createMachine(description)
  try {
    return use(machine)
  } finally {
    machine.dispose()
  }
}

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

function refusal(description: MachineDescription): string {
  try {
    using(description, () => {})
  } catch (error) {
    if (error instanceof DmascopeError) return error.message
    throw error
  }
  return 'it was not refused'
}

/** A file of fw_cfg, as software reads it at ports 0x510 and 0x511. */
function readFile({ bus }: Machine, wanted: string): Uint8Array | null {
  const ports = bus.ports!
  const bytes = (selector: number, length: number): Uint8Array => {
    ports.out16(0x510, selector)
    return Uint8Array.from({ length }, () => ports.in8(0x511))
  }
  const count = new DataView(bytes(0x19, 4).buffer).getUint32(0)
  const directory = new DataView(bytes(0x19, 4 + 64 * count).buffer)
  for (let entry = 4; entry < directory.byteLength; entry += 64) {
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, entry + 8, 56)).replace(/\0.*$/s, '')
    if (name === wanted) return bytes(directory.getUint16(entry + 4), directory.getUint32(entry))
  }
  return null
}

function table(machine: Machine, signature: string): Uint8Array {
  const file = readFile(machine, 'etc/acpi/tables') as Uint8Array
  const view = new DataView(file.buffer)
  for (let offset = 0, length = 1; length > 0; offset += length) {
    length = view.getUint32(offset + 4, true)
    if (String.fromCharCode(...file.subarray(offset, offset + 4)) === signature)
      return file.slice(offset, offset + length)
  }
  throw new Error(`no ${signature}`)
}

const expander = (id: string, bus_nr: number, slot: number, more: DeviceDescription['properties'] = {}) =>
  device('pxb-pcie', { bus_nr, ...more }, { id, bus: 'pcie.0', ...at(slot) })
const port = (id: string, bus: string, chassis: number, slot: number) =>
  device('pcie-root-port', { chassis }, { id, bus, ...at(slot) })

describe('placement', () => {
  it('gives an expander a function on the machine’s bus, and a root bus of its number', () => {
    const machine = describeMachine([expander('pxb', 0x80, 0x10), port('rp', 'pxb', 1, 0)])
    expect(plugged(machine)).toEqual(['00:10.0 pxb-pcie pxb', '80:00.0 pcie-root-port rp'])
  })

  it('sends devices that name no bus to the newest expander, as QEMU’s search does', () => {
    const machine = describeMachine([
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
    const description = describeMachine(
      [device(model, { bus_nr: 8 }, { id: 'x', bus: root }), device('virtio-rng-pci', {}, { id: 'after' })],
      { machine: express ? 'q35' : 'pc' },
    )
    expect(() => createMachine(description)).toThrow(
      `PCI: Only PCI/PCIe bridges can be plugged into ${model}; name another bus, such as bus=${root}`,
    )
  })

  it('puts a bridge without a hot-plug controller on a conventional expander’s bus, which bears its name', () => {
    const machine = describeMachine(
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
        describeMachine([
          device('x3130-upstream', {}, { id: 'up' }),
          device('xio3130-downstream', {}, { id: 'down' }),
          device('pcie-root-port', { chassis: 2 }, { id: 'rp' }),
          device('i82801b11-bridge', {}, { id: 'dmi' }),
        ]),
      ).map((line) => line.slice(0, 7)),
    ).toEqual(['00:01.0', '00:02.0', '00:03.0', '00:04.0'])
    expect(plugged(describeMachine([device('ioh3420', {}, { id: 'rp' })], { machine: 'pc' }))).toEqual([
      '00:02.0 ioh3420 rp',
    ])
  })

  it('lets a second device stand at the end of a link', () => {
    const below = { bus: 'rp' }
    const machine = describeMachine([
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
      describeMachine([device('pxb', { bus_nr: 8 })]),
      'pxb devices cannot reside on a PCIe bus',
    ],
    [
      'an express expander on pc',
      describeMachine([device('pxb-pcie', { bus_nr: 8 })], { machine: 'pc' }),
      'pxb-pcie devices cannot reside on a PCI bus',
    ],
    [
      'an expander below a port',
      describeMachine([rp, device('pxb-pcie', { bus_nr: 8 }, { bus: 'rp' })]),
      'PXB devices can be attached only to root bus',
    ],
    [
      'an expander on an expander’s bus',
      describeMachine([expander('a', 8, 3), device('pxb-pcie', { bus_nr: 9 })]),
      'PCI: Only PCI/PCIe bridges can be plugged into pxb-pcie',
    ],
    [
      'a bus number that is taken',
      describeMachine([expander('a', 8, 3), expander('b', 8, 4)]),
      'Bus 8 is already in use',
    ],
    [
      'a conventional expander without a number',
      describeMachine([device('pxb', {})], { machine: 'pc' }),
      'Bridge chassis not specified. Each bridge is required to be assigned a unique chassis id > 0.',
    ],
    [
      'ports with the same chassis and slot',
      describeMachine([rp, port('other', 'pcie.0', 1, 3)]),
      "Can't add chassis slot, error -16",
    ],
    [
      'slot 0 behind a standard hot-plug controller that firmware’s methods do not replace',
      describeMachine([
        expander('a', 8, 3),
        device('pcie-pci-bridge', {}, { id: 'br', bus: 'a' }),
        device('e1000', {}, { bus: 'br' }),
      ]),
      'Unsupported PCI slot 0 for standard hotplug controller. Valid slots are between 1 and 31.',
    ],
  ])('refuses %s in QEMU’s words', (_what, description, words) => {
    expect(refusal(description)).toContain(words)
  })

  it('accepts slot 0 where firmware’s hot-plug methods manage the bridge', () => {
    const bridge = device('pcie-pci-bridge', {}, { id: 'br' })
    expect(refusal(describeMachine([bridge, device('e1000', {}, { bus: 'br' })]))).toBe('it was not refused')
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
  const bypassed = describeMachine(devices, { machineProperties: { default_bus_bypass_iommu: true } })

  it('bypass_iommu takes all below that expander past the IOMMU, and not the expander itself', () => {
    expect(behindIommu(describeMachine(devices))).toEqual({
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
    expect(scopes(describeMachine(devices))).toEqual([
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
    const machine = describeMachine([
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

describe('what firmware is told of root buses', () => {
  const machine = describeMachine([expander('pxb', 0x80, 0x10), port('rp0', 'pxb', 1, 0), port('rp1', 'pxb', 2, 1)])

  it('says how many there are, where there are any', () => {
    expect(using(machine, (one) => readFile(one, 'etc/extra-pci-roots'))).toEqual(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0))
    expect(using(describeMachine([]), (one) => readFile(one, 'etc/extra-pci-roots'))).toBeNull()
  })

  it('has a host bridge for each in the DSDT, with the windows that firmware has just placed', () => {
    const bridges = using(machine, (one) => {
      // As SeaBIOS placed them on real QEMU: windows below each port, and each port's own BAR.
      for (const [slot, bar, base, prefetchable, bus] of [
        [0, 0xfe50_f000, 0xfe20, 0xfe80, 0x81],
        [1, 0xfe51_0000, 0xfe00, 0xfe60, 0x82],
      ] as const) {
        const { root } = one
        root.configWrite(0x80, slot, 0, 0x18, 4, (bus << 16) | (bus << 8) | 0x80)
        root.configWrite(0x80, slot, 0, 0x10, 4, bar)
        root.configWrite(0x80, slot, 0, 0x20, 4, (((base + 0x10) << 16) | base) >>> 0)
        root.configWrite(0x80, slot, 0, 0x24, 4, (((prefetchable + 0x10) << 16) | prefetchable) >>> 0)
        root.configWrite(0x80, slot, 0, 0x1c, 2, 0x00f0)
        root.configWrite(0x80, slot, 0, 0x04, 2, 7)
      }
      return findHostBridges(table(one, 'DSDT'))
    })
    // What Linux printed there: pci_bus 0000:80 has [mem 0xfe000000-0xfe3fffff], [mem 0xfe50f000-0xfe510fff] and
    // [mem 0xfe600000-0xfe9fffff]; bus 0000:00 has the rest.
    expect(bridges).toMatchObject([
      {
        path: '\\_SB_.PCI0',
        bus: 0,
        resources: {
          buses: [{ first: 0, last: 0x7f }],
          ports: [
            { first: 0, last: 0x0cf7 },
            { first: 0x0d00, last: 0xffff },
          ],
          memory: [
            { first: 0xa_0000, last: 0xb_ffff },
            { first: 0x2000_0000, last: 0xafff_ffff },
            { first: 0xc000_0000, last: 0xfdff_ffff },
            { first: 0xfe40_0000, last: 0xfe50_efff },
            { first: 0xfe51_1000, last: 0xfe5f_ffff },
            { first: 0xfea0_0000, last: 0xfebf_ffff },
          ],
        },
      },
      {
        path: '\\_SB_.PC80',
        bus: 0x80,
        uid: 0x80,
        express: true,
        resources: {
          buses: [{ first: 0x80, last: 0x82 }],
          ports: [],
          memory: [
            { first: 0xfe00_0000, last: 0xfe3f_ffff },
            { first: 0xfe50_f000, last: 0xfe51_0fff },
            { first: 0xfe60_0000, last: 0xfe9f_ffff },
          ],
        },
      },
    ])
  })

  it('routes an expander’s pins by LNKA to LNKD, device 0 from LNKD on, to the ISA interrupts of the links', () => {
    const [, bridge] = using(machine, (one) => findHostBridges(table(one, 'DSDT')))
    const first = (bridge?.routing ?? []).filter(({ device: number }) => number < 2)
    expect(
      first.map(({ device: number, pin, gsi, ...rest }) => [number, pin, gsi, 'link' in rest && rest.link]),
    ).toEqual([
      [0, 0, 11, '\\_SB_.LNKD'],
      [0, 1, 10, '\\_SB_.LNKA'],
      [0, 2, 10, '\\_SB_.LNKB'],
      [0, 3, 11, '\\_SB_.LNKC'],
      [1, 0, 10, '\\_SB_.LNKA'],
      [1, 1, 10, '\\_SB_.LNKB'],
      [1, 2, 11, '\\_SB_.LNKC'],
      [1, 3, 11, '\\_SB_.LNKD'],
    ])
  })

  it('names several expanders newest first, as QEMU lists them', () => {
    const several = describeMachine([expander('a', 0x40, 4), expander('b', 0x80, 5), expander('c', 0x20, 6)])
    const bridges = using(several, (one) => findHostBridges(table(one, 'DSDT')))
    expect(bridges.map(({ path, bus }) => [path, bus])).toEqual([
      ['\\_SB_.PCI0', 0],
      ['\\_SB_.PC20', 0x20],
      ['\\_SB_.PC80', 0x80],
      ['\\_SB_.PC40', 0x40],
    ])
    expect(bridges[0]?.resources?.buses).toEqual([{ first: 0, last: 0x1f }])
  })

  it('joins windows that touch, and leaves the rest to bus 0', () => {
    using(machine, ({ root }) => {
      expect(windowsOf(root.rootBuses[1]!)).toEqual({ ports: [], memory: [], lastBus: 0x80 })
    })
    const taken = [
      { first: 20, last: 29 },
      { first: 0, last: 5 },
      { first: 30, last: 39 },
    ]
    expect(without({ first: 0, last: 99 }, taken)).toEqual([
      { first: 6, last: 19 },
      { first: 40, last: 99 },
    ])
    expect(without({ first: 25, last: 35 }, taken)).toEqual([])
  })
})

describe('pins behind an expander', () => {
  it('reach PIRQE to PIRQH of a Q35, whatever the slot, where _PRT says PIRQA to PIRQD', () => {
    for (let slot = 1; slot < 31; slot++) {
      for (const pin of [0, 1, 2, 3]) {
        const gsi = ICH9_ROUTING.gsi(slot, pin - slot)
        expect(gsi, `slot ${slot}, pin ${pin}`).toBeGreaterThanOrEqual(20)
        expect(gsi, `slot ${slot}, pin ${pin}`).toBeLessThanOrEqual(23)
      }
    }
  })

  it('of slot 16 are the table’s row 12: 16 rows of four, less 16 entries', () => {
    expect(ICH9_ROUTING.gsi(16, 0 - 16)).toBe(ICH9_ROUTING.gsi(12, 0))
    expect(ICH9_ROUTING.gsi(16, 3 - 16)).toBe(ICH9_ROUTING.gsi(12, 3))
  })

  it('reach on a 440FX what _PRT says: the expander’s slot cancels out', () => {
    for (const slot of [2, 3, 17, 31]) {
      // LNKD, LNKA, LNKB, LNKC, as firmware routes them.
      expect([0, 1, 2, 3].map((pin) => PIIX3_ROUTING.gsi(slot, pin - slot))).toEqual([11, 10, 10, 11])
    }
  })
})
