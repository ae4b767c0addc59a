import { buildDtb, DeviceTree, DtNode, parseDtb, property, resolveInterrupt } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription, type Machine } from '../../machine/src/index.ts'
import { runSkiboot } from '../src/index.ts'

const device = (model: string, bus: string, more: Partial<DeviceDescription> = {}): DeviceDescription => ({
  model,
  bus,
  properties: {},
  location: { text: 'a test' },
  ...more,
})

const open: Machine[] = []
afterEach(() => {
  for (const machine of open.splice(0)) machine.dispose()
})

function start(devices: readonly DeviceDescription[]) {
  const { machine, deviceTree } = createMachine({
    machine: 'powernv9',
    qemuVersion: '11.1',
    name: 'powernv9',
    source: 'qemu',
    memory: 1 << 30,
    cpus: 1,
    defaultDevices: true,
    machineProperties: {},
    append: 'quiet',
    ignored: [],
    devices,
  })
  open.push(machine)
  return { bus: machine.bus, result: runSkiboot(machine.bus, { deviceTree: deviceTree ?? 0 }) }
}

describe('skiboot', () => {
  it('leaves a tree above 768 MiB, in memory that is reserved, with the command line', () => {
    const { bus, result } = start([])
    expect(result.deviceTree).toBe(0x3068_0000)
    const magic = new Uint8Array(4)
    bus.readBytes(0x3068_0000, magic)
    expect([...magic]).toEqual([0xd0, 0x0d, 0xfe, 0xed])
    const tree = parseDtb(result.blob!)
    expect(tree.find('/chosen')?.string('bootargs')).toBe('quiet')
    expect(tree.reservations).toEqual([{ address: 0x3000_0000, size: 0x500_0000 }])
    const phbs = tree.root.children.filter(({ name }) => name.startsWith('pciex@'))
    expect(phbs.map(({ name }) => name.slice(-7))).toEqual([
      '0000000',
      '0100000',
      '0200000',
      '0300000',
      '0400000',
      '0500000',
    ])
    expect(phbs[1]!.cells('ibm,opal-msi-ranges')).toEqual([0xfd800, 0x7f8])
  })

  it('numbers buses depth first, and makes the nodes that skiboot made on QEMU', () => {
    const { result } = start([
      device('pcie-pci-bridge', 'pcie.0', { id: 'br' }),
      device('virtio-rng-pci', 'br', { addr: { device: 1, function: 0 } }),
      device('virtio-rng-pci', 'br', { addr: { device: 2, function: 0 } }),
      device('virtio-rng-pci', 'pcie.1', { addr: { device: 0, function: 0 }, properties: { multifunction: true } }),
      device('virtio-rng-pci', 'pcie.1', { addr: { device: 0, function: 1 } }),
    ])
    const tree = parseDtb(result.blob!)
    const [first, second] = tree.root.children.filter(({ name }) => name.startsWith('pciex@'))
    const port = first!.children[0]!
    // The port has no pin, and a map for the one device behind it.
    expect([port.cell('device-id'), port.has('interrupts'), port.cells('interrupt-map-mask')]).toEqual([
      0x4c1,
      false,
      [0, 0, 0, 7],
    ])
    expect(port.cells('interrupt-map').slice(0, 14)).toEqual([
      ...[0, 0, 0, 1, 0x8066, 0xfeff8, 1],
      ...[0, 0, 0, 2, 0x8066, 0xfeff9, 1],
    ])
    const bridge = port.children[0]!
    expect([bridge.cells('reg')[0], bridge.cell('interrupts'), bridge.cells('interrupt-map-mask')]).toEqual([
      0x1_0000,
      1,
      [0xf800, 0, 0, 7],
    ])
    // Slot 1 begins with the second of the bridge's sources, slot 2 with the third.
    expect(bridge.cells('interrupt-map').slice(28, 35)).toEqual([0x800, 0, 0, 1, 0x8066, 0xfeff9, 1])
    expect(bridge.children.map((node) => node.cells('reg')[0])).toEqual([0x2_0800, 0x2_1000])
    expect(resolveInterrupt(tree, bridge, [0x2_1000, 0, 0], [1])).toMatchObject({ ok: true, specifier: [0xfeffa, 1] })
    const functions = second!.children[0]!.children
    expect(functions.map(({ name }) => name)).toEqual(['device@0', 'device@0,1'])
    expect(functions.map((node) => node.cells('reg')[0])).toEqual([0x1_0000, 0x1_0100])
  })

  it('says why there is no tree, and passes over host bridges that answer nothing', () => {
    const bytes = new Uint8Array(0x1_0000)
    const put = (blob: Uint8Array): CpuBus => {
      bytes.fill(0)
      bytes.set(blob)
      return {
        readBytes: (address: number, into: Uint8Array) => void into.set(bytes.subarray(address, address + into.length)),
        writeBytes: () => {},
        hypercall: () => -7,
      } as unknown as CpuBus
    }
    expect(runSkiboot(put(Uint8Array.of(1, 2, 3, 4)), { deviceTree: 0 })).toMatchObject({
      deviceTree: null,
      blob: null,
    })
    const phb = new DtNode('pciex@0', [property('compatible', 'ibm,ioda3-phb')])
    const blob = buildDtb(new DeviceTree(new DtNode('', [], [phb])))
    const tree = parseDtb(runSkiboot(put(blob), { deviceTree: 0 }).blob!)
    expect(tree.root.children[0]?.children).toEqual([])
  })
})
