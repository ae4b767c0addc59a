import { parseIort, parseMadt } from '@dmascope/acpi'
import { parseDtb } from '@dmascope/devicetree'
import { afterEach, describe, expect, test } from 'vitest'
import type { FirmwareFiles } from '../src/firmware/firmware-file.ts'
import { createMachine, type DeviceDescription, type Machine, type MachineDescription } from '../src/index.ts'

// `-device arm-smmuv3` of QEMU 11.1: what that release answered, in its tree and its tables, is written out here.

const device = (model: string, properties: DeviceDescription['properties'] = {}, more = {}): DeviceDescription => ({
  model,
  properties,
  location: { text: model },
  ...more,
})
const smmu = (bus: string | null, properties: DeviceDescription['properties'] = {}): DeviceDescription =>
  device('arm-smmuv3', { ...(bus !== null && { 'primary-bus': bus }), ...properties })
const expander = (id: string, number: number, properties = {}): DeviceDescription =>
  device('pxb-pcie', { bus_nr: number, ...properties }, { id, bus: 'pcie.0' })

const virt = (
  devices: readonly DeviceDescription[],
  machineProperties: MachineDescription['machineProperties'] = {},
): MachineDescription => ({
  machine: 'virt',
  qemuVersion: '11.1',
  name: 'virt',
  source: 'qemu',
  memory: 0x2000_0000,
  cpus: 1,
  cpu: 'cortex-a57',
  defaultDevices: false,
  machineProperties: { 'gic-version': '3', ...machineProperties },
  devices,
  append: '',
  ignored: [],
})

let made: Machine | null = null
afterEach(() => made?.dispose())

function build(description: MachineDescription) {
  const { machine, deviceTree, files } = createMachine(description)
  made = machine
  const bytes = new Uint8Array(0x8000)
  machine.bus.readBytes(deviceTree!, bytes)
  return { machine, tree: parseDtb(bytes), files }
}

/** A table of fw_cfg's file, as it is before firmware numbers buses. */
function table(files: FirmwareFiles, signature: string): Uint8Array {
  const all = files.get('etc/acpi/tables')!.bytes
  const text = Buffer.from(all).toString('latin1')
  const at = text.indexOf(signature)
  return all.slice(at, at + new DataView(all.buffer).getUint32(at + 4, true))
}

const IDR0 = 0
const IDR3 = 0xc

describe('one on pcie.0', () => {
  test('is on the platform bus, and in the tree, which numbers it last', () => {
    const { tree } = build(virt([smmu('pcie.0')]))
    const node = tree.find('/smmuv3@c000000')!
    expect(node.cells('reg')).toEqual([0, 0x0c00_0000, 0, 0x2_0000])
    expect(node.cells('interrupts')).toEqual([0, 112, 1, 0, 113, 1, 0, 114, 1, 0, 115, 1])
    expect(node.strings('interrupt-names')).toEqual(['eventq', 'priq', 'cmdq-sync', 'gerror'])
    expect(node.cell('phandle')).toBe(0x8005)
    expect(tree.find('/pcie')!.cells('iommu-map')).toEqual([0, 0x8005, 0, 0x1_0000])
    expect(tree.find('/smmuv3@9050000')).toBeUndefined()
  })

  test.each([
    [{}, 0x0d44_101a, 0x1404],
    [{ stage: '2' }, 0x0d44_1019, 0x1414],
    [{ stage: 'nested' }, 0x0d44_101b, 0x1414],
    // Any other word is stage 1.
    [{ stage: 'three' }, 0x0d44_101a, 0x1404],
    [{ oas: '44', ssidsize: '0', ril: 'on' }, 0x0d44_101a, 0x1404],
  ])('%o: IDR0 and IDR3', (properties, idr0, idr3) => {
    const { machine } = build(virt([smmu('pcie.0', properties)]))
    expect(machine.bus.read32(0x0c00_0000 + IDR0)).toBe(idr0)
    expect(machine.bus.read32(0x0c00_0000 + IDR3)).toBe(idr3)
  })
})

describe('several', () => {
  const two = [expander('p1', 128), smmu('p1'), smmu('pcie.0')]

  test('are one after the other, in order of creation; the tree has that of pcie.0 alone', () => {
    const { machine, tree } = build(virt(two))
    expect(tree.find('/smmuv3@c000000')).toBeUndefined()
    expect(tree.find('/smmuv3@c020000')!.cells('interrupts').slice(0, 3)).toEqual([0, 116, 1])
    expect(machine.iommus.map(({ windows }) => windows[0]!.base)).toEqual([0x0c00_0000, 0x0c02_0000])
    expect(machine.bus.read32(0x0c02_0000 + IDR0)).toBe(0x0d44_101a)
  })

  test('are in the IORT in the order of their buses, with the numbers of their creation', () => {
    const { files } = build(virt(two, { firmware: 'QEMU_EFI.fd' }))
    const { nodes } = parseIort(table(files, 'IORT'))
    expect(nodes.map((node) => [node.kind, (node as { identifier?: number }).identifier, node.offset])).toEqual([
      ['its-group', 0, 0x30],
      ['smmuv3', 2, 0x48],
      ['smmuv3', 1, 0xa0],
      ['root-complex', 3, 0xf8],
    ])
    expect(nodes[1]).toMatchObject({
      baseAddress: 0x0c02_0000,
      eventGsiv: 148,
      priGsiv: 149,
      syncGsiv: 150,
      gerrGsiv: 151,
    })
    expect(nodes[2]).toMatchObject({
      baseAddress: 0x0c00_0000,
      eventGsiv: 144,
      priGsiv: 145,
      syncGsiv: 146,
      gerrGsiv: 147,
    })
    const bridge = nodes[3]!
    const mappings = bridge.kind === 'root-complex' ? bridge.mappings : []
    expect(
      mappings.map(({ inputBase, numberOfIds, outputReference }) => [inputBase, numberOfIds, outputReference]),
    ).toEqual([
      [0, 0xff, 0x48],
      [0x8000, 0xff, 0xa0],
      [0x100, 0x7eff, 0x30],
      [0x8100, 0x7eff, 0x30],
    ])
  })

  test('a bus without one has none in front of it: not even that of pcie.0', () => {
    const { files } = build(virt([expander('p1', 128), smmu('pcie.0')], { firmware: 'QEMU_EFI.fd' }))
    const bridge = parseIort(table(files, 'IORT')).nodes.at(-1)!
    const mappings = bridge.kind === 'root-complex' ? bridge.mappings : []
    expect(mappings.map(({ inputBase, outputReference }) => [inputBase, outputReference])).toEqual([
      [0, 0x48],
      [0x100, 0x30],
    ])
  })

  test('the machine wires each root bus to its own', () => {
    const probe = (bus: string, slot: number): DeviceDescription =>
      device('dmascope-probe', {}, { bus, addr: { device: slot, function: 0 } })
    const port = device('pcie-root-port', { chassis: 1 }, { id: 'rp', bus: 'p1' })
    const { machine } = build(virt([expander('p1', 128), smmu('p1'), port, probe('pcie.0', 5), probe('rp', 0)]))
    const behind = machine.observe().map(({ id, behindIommu }) => [id, behindIommu])
    expect(behind).toContainEqual(['0000:00:05.0', false])
    expect(behind.filter(([, is]) => is)).toHaveLength(2)
  })
})

describe('refused, in QEMU’s words and in its order', () => {
  const iommu = device('virtio-iommu-pci')
  test.each([
    ['no bus', [smmu(null)], {}, 'SMMU is not attached to any PCI bus!'],
    ['no such bus', [smmu('p1'), expander('p1', 128)], {}, "Device 'p1' not found"],
    [
      'a port',
      [device('pcie-root-port', {}, { id: 'rp' }), smmu('rp')],
      {},
      'SMMU should be attached to a default PCIe root complex(pcie.0) or a pxb-pcie based root complex',
    ],
    ['twice on a bus', [smmu('pcie.0'), smmu('pcie.0')], {}, 'An iommu is already attached to this bus'],
    [
      'beside iommu=smmuv3',
      [smmu('pcie.0')],
      { iommu: 'smmuv3' },
      "virt machine already has iommu=smmuv3 set. Doesn't support incompatible iommus",
    ],
    [
      'after a virtio-iommu',
      [iommu, smmu(null)],
      {},
      "virt machine already has virtio-iommu set. Doesn't support incompatible iommus",
    ],
    ['before a virtio-iommu', [smmu('pcie.0'), iommu], {}, 'which is not modelled'],
    [
      'on a bus that bypasses',
      [smmu('pcie.0')],
      { default_bus_bypass_iommu: true },
      'Bypass option cannot be set for SMMUv3 associated PCIe RC',
    ],
    [
      'on an expander that bypasses',
      [expander('p1', 128, { bypass_iommu: true }), smmu('p1')],
      {},
      'Bypass option cannot be set for SMMUv3 associated PCIe RC',
    ],
    ['accel=on', [smmu(null, { accel: true })], {}, 'SMMUv3 accel=on requires KVM with kernel-irqchip=on support'],
    ['oas=40', [smmu(null, { oas: '40' })], {}, 'QEMU SMMUv3 model only implements auto, 44 bit, or 48 bit OAS.'],
    ['ril=off', [smmu(null, { ril: 'off', ats: 'on' })], {}, 'ril can only be disabled if accel=on'],
    ['ats=on', [smmu(null, { ats: 'on', oas: '48' })], {}, 'ats can only be enabled if accel=on'],
    ['oas=48', [smmu(null, { oas: '48' })], {}, 'oas must be 44 bits when accel=off'],
    [
      'ssidsize=4',
      [smmu(null, { ssidsize: '4', cmdqv: 'on' })],
      {},
      'ssidsize can only be greater than 0 bits if accel=on',
    ],
    ['cmdqv=on', [smmu(null, { cmdqv: 'on' })], {}, 'cmdqv can only be enabled if accel=on'],
  ] as const)('%s', (_what, devices, properties, message) => {
    expect(() => createMachine(virt(devices, properties))).toThrow(message)
  })

  test('QEMU 7.2 has no such device, and no PC', () => {
    const name = /arm-smmuv3/
    expect(() => createMachine({ ...virt([smmu('pcie.0')]), qemuVersion: '7.2' })).toThrow(name)
    const pc = { ...virt([smmu('pcie.0')]), machine: 'q35' as const, machineProperties: {} }
    expect(() => createMachine(pc)).toThrow("'arm-smmuv3' is not a valid device model name")
  })
})

test('an ITS that is not there is in the tables: of 7.2, and of 11.1 for types up to virt-6.1', () => {
  const named = (qemuVersion: '7.2' | '11.1', properties: MachineDescription['machineProperties']): boolean => {
    const { files, machine } = build({ ...virt([], { ...properties, firmware: 'QEMU_EFI.fd' }), qemuVersion })
    const its = parseMadt(table(files, 'APIC')).records.some(({ kind }) => kind === 'gic-its')
    machine.dispose()
    return its
  }
  expect(named('7.2', { its: false })).toBe(true)
  expect(named('7.2', { type: 'virt-6.0' })).toBe(true)
  expect(named('7.2', { 'gic-version': '2' })).toBe(false)
  expect(named('11.1', { its: false })).toBe(false)
  expect(named('11.1', { type: 'virt-6.1' })).toBe(true)
  expect(named('11.1', { type: 'virt-6.1', its: false })).toBe(false)
  expect(named('11.1', { type: 'virt-6.1', msi: 'off' })).toBe(false)
})

test('a frame beside a GICv3 is in the tree, and not in the MADT', () => {
  const { files } = build(virt([], { msi: 'gicv2m', firmware: 'QEMU_EFI.fd' }))
  expect(parseMadt(table(files, 'APIC')).records.map(({ kind }) => kind)).toEqual(['gicd', 'gicc', 'gicr'])
})
