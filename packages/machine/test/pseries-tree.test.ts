import { type DeviceTree, parseDtb } from '@dmascope/devicetree'
import { describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription, type MachineDescription } from '../src/index.ts'
import { nameOfClass } from '../src/pseries/tree/class-names.ts'
import { hashOrder } from '../src/pseries/tree/hash-order.ts'
import { describeMachine, device } from './described-machine.ts'

const describe7 = (
  devices: readonly DeviceDescription[] = [],
  more: Partial<MachineDescription> = {},
): MachineDescription => describeMachine('pseries', devices, { qemuVersion: '7.2', cpu: 'power9', ...more })

/** The tree that firmware finds. */
function treeOf(description: MachineDescription): DeviceTree {
  const { machine, deviceTree } = createMachine(description)
  const bytes = new Uint8Array(256 * 1024)
  machine.bus.readBytes(deviceTree!, bytes)
  machine.dispose()
  return parseDtb(bytes)
}

describe('the tree of QEMU 7.2', () => {
  const tree = treeOf(describe7())
  const bridge = tree.find('/pci@800000020000000')!

  it('tells of the windows of the host bridge, and of its DMA windows', () => {
    expect(bridge.cells('reg')).toEqual([0x0800_0000, 0x2000_0000, 0, 0])
    expect(bridge.cells('ranges')).toEqual([
      ...[0x0100_0000, 0, 0, 0x2000, 0, 0, 0x1_0000],
      ...[0x0200_0000, 0, 0x8000_0000, 0x2000, 0x8000_0000, 0, 0x8000_0000],
      ...[0x0300_0000, 0x2100, 0, 0x2100, 0, 0x100, 0],
    ])
    expect(bridge.cells('ibm,dma-window')).toEqual([0x8000_0000, 0, 0, 0, 0x4000_0000])
    expect([bridge.cell('ibm,#dma-address-cells'), bridge.cell('ibm,#dma-size-cells')]).toEqual([2, 2])
    expect(bridge.cells('ibm,ddw-applicable')).toEqual([0x2026, 0x2027, 0x2028])
    expect(bridge.cells('ibm,ddw-extensions')).toEqual([2, 0x2029, 1])
    expect(bridge.cell('ibm,pe-total-#msi')).toBe(0xd00)
    expect(bridge.cells('bus-range')).toEqual([0, 0xff])
  })

  it('turns interrupt pins by slot', () => {
    expect(bridge.cells('interrupt-map-mask')).toEqual([0xf800, 0, 0, 0xffff_ffff])
    const map = bridge.cells('interrupt-map')
    expect(map.length).toBe(32 * 4 * 7)
    expect(map.slice(0, 14)).toEqual([0, 0, 0, 1, 0x1111, 0x1200, 1, 0, 0, 0, 2, 0x1111, 0x1201, 1])
    expect(map.slice(28 + 21, 28 + 28)).toEqual([0x800, 0, 0, 4, 0x1111, 0x1200, 1])
    expect(map.slice(-7)).toEqual([0xf800, 0, 0, 4, 0x1111, 0x1202, 1])
  })

  it('lists connectors in the order of a hash table, as QEMU comes by them', () => {
    expect(bridge.cells('ibm,drc-indexes').slice(0, 9)).toEqual([
      0x100, 0x4000_006d, 0x4000_0066, 0x4000_00c2, 0x4000_0090, 0x4000_006e, 0x4000_0020, 0x4000_00ca, 0x4000_0067,
    ])
    expect(bridge.cells('ibm,drc-indexes').slice(-3)).toEqual([0x4000_006c, 0x4000_0065, 0x4000_00c1])
    expect(tree.root.cells('ibm,drc-indexes').slice(0, 5)).toEqual([
      0x1f, 0x2000_000f, 0x2000_0008, 0x2000_0009, 0x2000_0010,
    ])
    const names = tree.root.property('ibm,drc-names')!.value
    expect([...names.subarray(0, 18)]).toEqual([0, 0, 0, 31, ...new TextEncoder().encode('PHB 15\0PHB 8\0P')])
  })

  it('gives RTAS calls their tokens, and no memory that could come later', () => {
    const rtas = tree.find('/rtas')!
    expect(rtas.cell('display-character')).toBe(0x2000)
    expect(rtas.cell('ibm,read-pci-config')).toBe(0x2016)
    expect(rtas.cell('ibm,change-msi')).toBe(0x2019)
    expect(rtas.cell('ibm,nmi-interlock')).toBe(0x202c)
    expect(rtas.cell('rtas-size')).toBe(0x82c)
    expect(rtas.cells('ibm,lrdr-capacity')).toEqual([0, 0, 0, 0x1000_0000, 1])
    expect(rtas.has('ibm,change-msix-capable')).toBe(true)
  })

  it('has properties and nodes the way round in which libfdt leaves them', () => {
    expect(tree.root.children.map(({ name }) => name)).toEqual([
      'ibm,persistent-memory',
      'chosen',
      'rtas',
      'event-sources',
      'cpus',
      'pci@800000020000000',
      'vdevice',
      'memory@0',
      'interrupt-controller',
    ])
    expect(tree.root.properties.map(({ name }) => name)).toEqual([
      'ibm,drc-types',
      'ibm,drc-names',
      'ibm,drc-power-domains',
      'ibm,drc-indexes',
      '#size-cells',
      '#address-cells',
      'vm,uuid',
      'compatible',
      'model',
      'device_type',
    ])
  })
})

describe('what changes the tree', () => {
  it('later releases say where RAM ends, where no memory can come later', () => {
    const rtas = treeOf(describe7([], { qemuVersion: '11.1', memory: 1 << 30 })).find('/rtas')!
    expect(rtas.cells('ibm,lrdr-capacity').slice(0, 2)).toEqual([0, 0x4000_0000])
  })

  it.each(['7.2', '11.1'] as const)('maxmem: room from the next GiB on, a connector a block (%s)', (qemuVersion) => {
    const tree = treeOf(describe7([], { qemuVersion, memory: 0x5000_0000, maxMemory: 0x1_0000_0000 }))
    // 1.25 GiB of RAM: the rest of 2.75 GiB starts at 2 GiB.
    expect(tree.find('/rtas')!.cells('ibm,lrdr-capacity').slice(0, 2)).toEqual([1, 0x3000_0000])
    expect(tree.root.cells('ibm,drc-indexes')[0]).toBe(31 + 11)
    expect(tree.root.children.filter(({ name }) => name.startsWith('memory@')).map((one) => one.cells('reg'))).toEqual([
      [0, 0x4000_0000, 0, 0x1000_0000],
      [0, 0, 0, 0x4000_0000],
    ])
  })

  it('nvme has extended configuration space, without what else PCI Express has', () => {
    const tree = treeOf(describe7([device('nvme', { addr: { device: 1, function: 0 }, properties: { serial: 's' } })]))
    const bridge = tree.find('/pci@800000020000000')!
    expect(bridge.children.map((one) => one.cell('ibm,pci-config-space-type'))).toEqual([1])
  })

  it('processors of one socket are on one chip', () => {
    const chips = (topology: MachineDescription['topology']): (number | undefined)[] =>
      treeOf(describe7([], { cpus: 4, ...(topology !== undefined && { topology }) }))
        .find('/cpus')!
        .children.map((one) => one.cell('ibm,chip-id'))
    expect(chips(undefined)).toEqual([0, 0, 0, 0])
    expect(chips({ sockets: 2, cores: 2, threads: 1 }).sort()).toEqual([0, 0, 1, 1])
  })

  it('threads of a core have one node', () => {
    const topology = { sockets: 1, cores: 2, threads: 4 }
    const nodes = treeOf(describe7([], { qemuVersion: '11.1', cpu: 'power10', cpus: 8, topology })).find(
      '/cpus',
    )!.children
    expect(nodes.map(({ name }) => name).sort()).toEqual(['PowerPC,POWER10@0', 'PowerPC,POWER10@4'])
    const second = nodes.find(({ name }) => name.endsWith('@4'))!
    expect(second.cells('ibm,ppc-interrupt-server#s')).toEqual([4, 5, 6, 7])
    expect(second.cells('ibm,ppc-interrupt-gserver#s')).toEqual([4, 0, 5, 0, 6, 0, 7, 0])
  })

  it('POWER8 has features of its own, and a hash table for the memory that there is', () => {
    const [cpu] = treeOf(describe7([], { cpu: 'power8', memory: 1 << 30, maxMemory: 3 * 2 ** 30 })).find(
      '/cpus',
    )!.children
    expect([...cpu!.properties.find(({ name }) => name === 'ibm,pa-features')!.value].slice(0, 5)).toEqual([
      24, 0, 0xf6, 0x3f, 0xc7,
    ])
    expect(cpu!.cells('ibm,pft-size')).toEqual([0, 23])
  })

  it('ic-mode=xive: no calls for sources of a XICS; the tokens of others stay', () => {
    const rtas = (mode: string) => treeOf(describe7([], { machineProperties: { 'ic-mode': mode } })).find('/rtas')!
    expect(rtas('xive').has('ibm,int-on')).toBe(false)
    expect(rtas('dual').cell('ibm,int-on')).toBe(0x200d)
    expect(rtas('xive').cell('check-exception')).toBe(0x200e)
  })

  it.each([
    [{ topology: { sockets: 1, cores: 2, threads: 2 }, cpus: 4 }, 'TCG cannot support more than 1 thread/core'],
    [
      { qemuVersion: '11.1' as const, topology: { sockets: 1, cores: 1, threads: 16 }, cpus: 16 },
      'TCG cannot support more than 8 threads/core on a pseries machine',
    ],
    [
      { qemuVersion: '11.1' as const, topology: { sockets: 1, cores: 1, threads: 3 }, cpus: 3 },
      'Cannot support 3 threads/core on a pseries machine because it must be a power of 2',
    ],
    [
      { qemuVersion: '11.1' as const, topology: { sockets: 1, cores: 2, threads: 2 }, cpus: 3, maxCpus: 4 },
      'smp_cpus (3) must be multiple of threads (2)',
    ],
    [{ cpu: 'power8', machineProperties: { 'ic-mode': 'xive' } }, 'XIVE-only machines require a POWER9 CPU'],
  ])('%o is refused', (more, message) => {
    expect(() => createMachine(describe7([], more))).toThrow(message)
  })

  it('a function has a node by its class, with its BARs and its messages', () => {
    const tree = treeOf(
      describe7([
        device('virtio-blk-pci', { addr: { device: 3, function: 0 } }),
        device('e1000e', { addr: { device: 6, function: 0 }, properties: { romfile: '' } }),
      ]),
    )
    const disk = tree.find('/pci@800000020000000/scsi@3')!
    expect(disk.cells('reg')).toEqual([
      ...[0x1800, 0, 0, 0, 0],
      ...[0x0100_1810, 0, 0, 0, 0x80],
      ...[0x0200_1814, 0, 0, 0, 0x1000],
      ...[0x0300_1820, 0, 0, 0, 0x4000],
    ])
    expect([disk.cell('vendor-id'), disk.cell('device-id'), disk.cell('class-code')]).toEqual([0x1af4, 0x1001, 0x10000])
    expect([disk.cell('ibm,my-drc-index'), disk.cell('ibm,req#msi-x'), disk.has('ibm,req#msi')]).toEqual([
      0x4000_0018,
      2,
      false,
    ])
    expect(disk.string('ibm,loc-code')).toBe('qemu_virtio-blk-pci:0000:00:03.0')
    const card = tree.find('/pci@800000020000000/ethernet@6')!
    expect([card.cell('ibm,req#msi'), card.cell('ibm,req#msi-x'), card.cell('ibm,pci-config-space-type')]).toEqual([
      1, 5, 1,
    ])
  })

  it('buses below bridges are numbered, and a further host bridge has windows and connectors of its own', () => {
    const tree = treeOf(
      describe7([
        device('pci-bridge', { id: 'low', properties: { chassis_nr: 5 } }),
        device('virtio-rng-pci', { bus: 'low', addr: { device: 1, function: 0 } }),
        device('spapr-pci-host-bridge', { properties: { index: 2 } }),
        device('virtio-net-pci'),
      ]),
    )
    const bridge = tree.find('/pci@800000020000000/pci@0')!
    expect(bridge.cells('ibm,drc-indexes')[0]).toBe(256)
    expect(tree.find('/pci@800000020000000/pci@0/legacy-device@1')!.cells('reg')[0]).toBe(0x1_0800)
    expect(tree.find('/pci@800000020000000/pci@0/legacy-device@1')!.cell('ibm,my-drc-index')).toBe(0x4000_0508)
    const second = tree.find('/pci@800000020000002')!
    expect(second.cells('ibm,dma-window')[0]).toBe(0x8000_0200)
    expect(second.cells('ranges').slice(3, 5)).toEqual([0x2000, 0x2_0000])
    expect(second.children.map((one) => [one.name, one.cell('ibm,my-drc-index')])).toEqual([
      ['ethernet@0', 0x4002_0000],
    ])
  })

  it('before POWER9 there is no XIVE to ask for', () => {
    const support = (more: Partial<MachineDescription>): number[] => [
      ...treeOf(describe7([], more)).find('/chosen')!.property('ibm,arch-vec-5-platform-support')!.value.subarray(0, 4),
    ]
    expect(support({})).toEqual([23, 0x80, 24, 0xc0])
    expect(support({ machineProperties: { 'ic-mode': 'xive' } })).toEqual([23, 0x40, 24, 0xc0])
    expect(support({ cpu: 'power8' })).toEqual([23, 0, 24, 0])
  })
})

describe('the order of a GHashTable', () => {
  it('holds each name once, however it grew', () => {
    const names = Array.from({ length: 700 }, (_, index) => (index * 7919).toString(16))
    const ordered = hashOrder(names)
    expect([...ordered].sort()).toEqual([...names].sort())
    expect(ordered).not.toEqual(names)
  })

  it('eight places, modulo 7: by hash times 11', () => {
    // g_str_hash: a 0x2b606, b 0x2b607, c 0x2b608, which come to 5, 2 and 6.
    expect(hashOrder(['a', 'b', 'c'])).toEqual(['b', 'a', 'c'])
  })
})

it('nodes are named by class, sub-class and interface', () => {
  expect(
    [0x01_0000, 0x01_0802, 0x02_0000, 0x03_0000, 0x0c_0330, 0x0c_0340, 0x00_ff00, 0x06_0400].map(nameOfClass),
  ).toEqual(['scsi', 'mass-storage', 'ethernet', 'vga', 'usb-xhci', 'usb', 'legacy-device', 'pci'])
  expect(nameOfClass(0xff_0000)).toBe('pci')
})
