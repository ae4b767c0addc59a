import { type DtNode, parseDtb } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  createMachine,
  type DeviceDescription,
  type Machine,
  type MachineDescription,
} from '../../machine/src/index.ts'
import { runOpenBios } from '../src/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const CONFIG = 0x1fe_0100_0000

const device = (model: string, bus: string, at: number, more: Partial<DeviceDescription> = {}): DeviceDescription => ({
  model,
  bus,
  addr: { device: at, function: 0 },
  properties: {},
  location: { text: 'a test' },
  ...more,
})

const open: Machine[] = []
afterEach(() => {
  for (const machine of open.splice(0)) machine.dispose()
})

function start(devices: readonly DeviceDescription[], more: Partial<MachineDescription> = {}) {
  const { machine } = createMachine({
    machine: 'sun4u',
    qemuVersion: '7.2',
    name: 'sun4u',
    source: 'qemu',
    memory: 512 << 20,
    cpus: 1,
    defaultDevices: false,
    machineProperties: {},
    append: 'quiet',
    ignored: [],
    devices,
    ...more,
  })
  open.push(machine)
  const { bus } = machine
  const result = runOpenBios(bus)
  return {
    bus,
    result,
    tree: parseDtb(result.blob!),
    config: (bdf: number, offset: number) => bus.read32(CONFIG + (bdf << 8) + offset),
  }
}

/** Cells in hexadecimal, as OpenBIOS prints them. */
const hex = (node: DtNode | undefined, name: string): string =>
  (node?.cells(name) ?? []).map((cell) => cell.toString(16)).join(' ')

/** What was read of QEMU 7.2 with its OpenBIOS. */
const MACHINE = [
  device('virtio-rng-pci', 'pciB', 1, { properties: { 'disable-legacy': 'on', iommu_platform: true } }),
  device('virtio-blk-pci', 'pciB', 2, { backend: { kind: 'disk', where: 'qemu', size: 1 << 20 } }),
  device('e1000', 'pciB', 3),
  device('pci-bridge', 'pciB', 0, { id: 'br', properties: { chassis_nr: 1 } }),
  device('virtio-rng-pci', 'br', 2),
]

describe('OpenBIOS', () => {
  it('leaves a tree near the end of memory, with what it leaves of memory, and the command line', () => {
    const { bus, result, tree } = start([])
    expect(result.deviceTree).toBe(0x1ff0_0000)
    const magic = new Uint8Array(4)
    bus.readBytes(0x1ff0_0000, magic)
    expect([...magic]).toEqual([0xd0, 0x0d, 0xfe, 0xed])
    expect(tree.root.string('compatible')).toBe('sun4u')
    expect(tree.find('/chosen')?.string('bootargs')).toBe('quiet')
    expect(hex(tree.find('/memory@0,0'), 'available')).toBe('0 0 0 1fe80000')
    expect(hex(tree.find('/memory@0,0'), 'reg')).toBe('0 0 0 20000000')
  })

  it('tells of the host bridge what it told on QEMU', () => {
    const pci = start([]).tree.find('/pci@1fe,0')
    expect(pci?.strings('compatible')[0]).toBe('pci108e,a000')
    expect(pci?.string('model')).toBe('SUNW,sabre')
    expect(hex(pci, 'reg')).toBe('1fe 0 0 10000 1fe 1000000 0 100')
    expect(hex(pci, 'ranges')).toBe(
      '0 0 0 1fe 1000000 0 1000000 1000000 0 0 1fe 2000000 0 1000000 2000000 0 0 1ff 0 0 f0000000',
    )
    expect(hex(pci, 'virtual-dma')).toBe('c0000000 20000000')
    expect(pci?.has('no-streaming-cache')).toBe(true)
    expect(hex(pci, 'interrupts')).toBe('7f0 7ee 7ef 7e5')
    expect([pci?.cell('upa-portid'), hex(pci, 'bus-range')]).toEqual([0x1f, '0 2'])
  })

  it('numbers bus A before bus B, and what is behind a bridge after that', () => {
    const { tree, config } = start(MACHINE)
    expect([config(0x0009, 0x18) & 0xff_ffff, config(0x0008, 0x18) & 0xff_ffff]).toEqual([0x01_0100, 0x03_0200])
    expect(config(0x0200, 0x18) & 0xff_ffff).toBe(0x03_0302)
    expect(tree.find('/pci@1fe,0')?.children.map(({ name }) => name)).toEqual(['pci@1,1', 'pci@1'])
    expect(hex(tree.find('/pci@1fe,0/pci@1'), 'bus-range')).toBe('2 3')
    expect(tree.find('/pci@1fe,0/pci@1')?.children.map(({ name }) => name)).toEqual([
      'pci1b36,1@0',
      'pci1af4,1044@1',
      'scsi@2',
      'e1000@3',
    ])
  })

  it('places BARs from 0x20000000 and 0 on bus A, from 0x60000000 and 0x800000 on bus B', () => {
    const { tree, config } = start(MACHINE)
    const assigned = (path: string): string => hex(tree.find(`/pci@1fe,0/${path}`), 'assigned-addresses')
    expect(assigned('pci@1,1/ide@3')).toMatch(/^1011810 0 8000 0 8 1011814 0 8080 0 4 1011818 0 8100 0 8 /)
    expect(assigned('pci@1,1/ebus@1')).toBe('2010810 0 20000000 0 1000000 1010814 0 0 0 8000')
    expect(assigned('pci@1/scsi@2')).toBe('1021010 0 801000 0 80 c3021020 0 60210000 0 4000')
    expect(assigned('pci@1/pci1af4,1044@1')).toBe('c3020820 0 60200000 0 4000')
    expect([config(0x0210, 0x10), config(0x0210, 0x20), config(0x0210, 0x24)]).toEqual([0x80_1001, 0x6021_000c, 0])
    // Windows: of bus B, and of the bridge on it, whose ports have 16 bits.
    expect([config(0x0008, 0x20), config(0x0200, 0x20)]).toEqual([0x6020_6000, 0x6010_6010])
    expect(config(0x0008, 0x30)).toBe(0x0080_0080)
  })

  it('closes the windows of a bus without devices', () => {
    const { config } = start([])
    // Base above limit, of memory and of ports.
    expect(config(0x0008, 0x20)).toBe(0x5ff0_6000)
    expect([config(0x0008, 0x1c) & 0xffff, config(0x0008, 0x30)]).toEqual([0xf101, 0x007f_0080])
    expect(config(0x0009, 0x1c) & 0xffff).toBe(0x8101)
  })

  it('maps INTA of each function with a pin, and nothing else', () => {
    const { tree } = start(MACHINE)
    const map = (path: string): string => hex(tree.find(`/pci@1fe,0/${path}`), 'interrupt-map')
    expect(map('pci@1')).toBe(
      ['20000', '20800', '21000', '21800']
        .map((at, slot) => `${at} 0 0 1 ffe2e430 ${(0x10 + slot * 4).toString(16)}`)
        .join(' '),
    )
    expect(map('pci@1,1')).toBe('11800 0 0 1 ffe2e430 20')
    expect(hex(tree.find('/pci@1fe,0/pci@1'), 'interrupt-map-mask')).toBe('fff800 0 0 7')
    expect(tree.find('/pci@1fe,0/pci@1/pci1b36,1@0')?.has('interrupt-map')).toBe(false)
  })

  it('leaves the IOMMU off, and devices memory where the tree says', () => {
    const { bus } = start([])
    expect([bus.read32(0x1fe_0000_0200), bus.read32(0x1fe_0000_0204), bus.read32(0x1fe_0000_202c)]).toEqual([
      0, 0, 0x4000_0000,
    ])
  })

  it('says why there is no tree', () => {
    const nothing: CpuBus = {
      read8: () => 0xff,
      read16: () => 0xffff,
      read32: () => 0xffff_ffff,
      write8() {},
      write16() {},
      write32() {},
      readBytes: (_address, into) => void into.fill(0xff),
      writeBytes() {},
      nextInterrupt: () => -1,
      idle: () => true,
    }
    expect(runOpenBios(nothing)).toEqual({ deviceTree: null, blob: null, log: ['fw_cfg: no such device'] })
  })
})

it('random words for configuration space never make it throw or go on without end', () => {
  const text = new TextEncoder().encode('QEMU')
  const word = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constant(0xffff_ffff), fc.constant(0x0604_0081))
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 24 }), (words) => {
      let next = 0
      let selected = 0
      let at = 0
      const bytes: Record<number, Uint8Array> = {
        0: text,
        3: Uint8Array.of(0, 0, 0, 0x10, 0, 0, 0, 0),
      }
      // Few functions answer, or each would be a bridge to 32 more.
      const read = (address: number): number => {
        const bdf = Math.floor((address - CONFIG) / 0x100)
        return address >= CONFIG && bdf % 37 < 2 ? words[next++ % words.length]! : 0xffff_ffff
      }
      const bus: CpuBus = {
        read8: (address) =>
          address === 0x1fe_0200_0511 ? (bytes[selected]?.[at++] ?? 0) : (read(address) & 0xff) >>> 0,
        read16: (address) => (read(address) & 0xffff) >>> 0,
        read32: read,
        write8() {},
        write16(address, value) {
          if (address !== 0x1fe_0200_0510) return
          selected = value
          at = 0
        },
        write32() {},
        readBytes: (_address, into) => void into.fill(0),
        writeBytes() {},
        nextInterrupt: () => -1,
        idle: () => true,
      }
      const { blob } = runOpenBios(bus)
      if (blob !== null) expect(parseDtb(blob).root.string('compatible')).toBe('sun4u')
    }),
    { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 10) },
  )
})
