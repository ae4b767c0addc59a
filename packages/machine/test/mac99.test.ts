import { parseDtb } from '@dmascope/devicetree'
import { describe, expect, it } from 'vitest'
import type { MachineDescription } from '../src/index.ts'
import { build, describeMachine, device, refusalOf } from './described-machine.ts'

const MIB = 2 ** 20
const CONFIG_ADDRESS = 0xf080_0000
const CONFIG_DATA = 0xf0c0_0000
const DART_CNTL = 0xf803_3000

const described = (more: Partial<MachineDescription> = {}): MachineDescription =>
  describeMachine('mac99', [device('virtio-blk-pci'), device('nvme', { properties: { serial: 'mac' } })], more)

function start(more: Partial<MachineDescription> = {}) {
  const { machine, deviceTree } = build(described(more))
  const { bus } = machine
  const header = new Uint8Array(8)
  bus.readBytes(deviceTree!, header)
  const blob = new Uint8Array(new DataView(header.buffer).getUint32(4))
  bus.readBytes(deviceTree!, blob)
  return { machine, bus, tree: parseDtb(blob, { source: 'mac99' }) }
}

const refusal = (more: Partial<MachineDescription>): string => refusalOf(described(more))

describe('mac99', () => {
  it('has its bridge in slot 11 and mac-io in slot 12, by a bit of the address for each, and devices behind them', () => {
    const { bus } = start()
    const ids = (slot: number): number => {
      bus.write32(CONFIG_ADDRESS, (1 << slot) >>> 0)
      return bus.read32(CONFIG_DATA)
    }
    expect([11, 12, 13, 14, 15].map(ids)).toEqual([0x004b_106b, 0x0022_106b, 0x1001_1af4, 0x0010_1b36, 0xffff_ffff])
    // By number, as on buses behind bridges; the low bits of the register are those of the data's address.
    bus.write32(CONFIG_ADDRESS, (13 << 11) | 0x28 | 1)
    expect(bus.read16(CONFIG_DATA + 4)).toBe(0x1af4)
    bus.write32(CONFIG_ADDRESS, 0)
    expect(bus.read32(CONFIG_DATA)).toBe(0xffff_ffff)
  })

  it('has the interrupt controller among mac-io’s registers, where OpenBIOS put these: little-endian', () => {
    const { bus } = start()
    // FRR: sources 0 to 63, revision 1.2; the spurious vector has eight bits.
    expect(bus.read32(0x8004_1000)).toBe(0x003f_0002)
    expect(bus.read32(0x8004_10e0)).toBe(0xff)
    expect(bus.read32(0x8000_0000)).toBe(0)
  })

  it('tells in its tree what OpenBIOS tells', () => {
    const { tree } = start()
    const pci = tree.find('/pci@f0000000')!
    expect(tree.root.strings('compatible')).toEqual(['PowerMac3,1', 'MacRISC', 'MacRISC2', 'Power Macintosh'])
    expect(pci.cells('ranges')).toEqual([
      ...[0x100_0000, 0, 0, 0xf200_0000, 0, 0x80_0000],
      ...[0x200_0000, 0, 0x8000_0000, 0x8000_0000, 0, 0x1000_0000],
    ])
    // Slot 13: source 0x1c, slot 14: source 0x1d.
    expect(pci.cells('interrupt-map')).toEqual([0x6800, 0, 0, 1, 1, 0x1c, 1, 0x7000, 0, 0, 1, 1, 0x1d, 1])
    expect(tree.find('/pci@f0000000/mac-io@c')!.cells('ranges')).toEqual([0, 0x200_6010, 0, 0x8000_0000, 0x8_0000])
    expect(tree.find('/memory@0')!.cells('reg')).toEqual([0, 512 * MIB])
  })

  it('has a DART where it is the real machine, or is told to', () => {
    for (const more of [{ hypervisor: 'physical' }, { machineProperties: { dart: true } }] as const) {
      const { tree, bus, machine } = start(more)
      expect(tree.find('/uni-n@f8000000/dart@f8033000')!.cells('reg')).toEqual([0xf803_3000, 0x7000])
      // ENABLE, big-endian.
      bus.write32(DART_CNTL, 0x0002_0000)
      expect([bus.read32(DART_CNTL), machine.iommus.length]).toEqual([0x0002_0000, 1])
    }
    for (const more of [{}, { hypervisor: 'physical', machineProperties: { dart: false } }] as const) {
      const { tree, bus, machine } = start(more)
      expect(tree.find('/uni-n@f8000000/dart@f8033000')).toBeUndefined()
      expect([bus.read32(DART_CNTL), machine.iommus.length]).toEqual([0xffff_ffff, 0])
    }
  })

  it('refuses what QEMU refuses, and what is not modelled', () => {
    expect(refusal({ memory: 3072 * MIB })).toMatch(/more than 2 GiB/)
    expect(refusal({ cpus: 2 })).toMatch(/Invalid SMP CPUs 2/)
    expect(refusal({ cpu: 'g4' })).toMatch(/another north bridge/)
    expect(refusal({ defaultDevices: true })).toMatch(/-nodefaults/)
    expect(refusal({ devices: [device('virtio-blk-pci', { addr: { device: 5, function: 0 } })] })).toMatch(/5/)
    expect(refusal({ devices: [device('virtio-iommu-pci')] })).toMatch(/not modelled/)
  })
})
