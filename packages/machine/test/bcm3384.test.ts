import { findDmaWindows, parseDtb, parseReg, resolveInterrupt } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory'
import { afterEach, describe, expect, it } from 'vitest'
import { Coprocessor } from '../src/bcm3384/coprocessor.ts'
import { L2Interrupts } from '../src/bcm3384/l2-interrupts.ts'
import { readMachineFile } from '../src/file/index.ts'
import { createMachine, type Machine } from '../src/index.ts'
import { errorOf } from './described-machine.ts'

const MIB = 0x10_0000
/** register << 3 | select */
const STATUS = 0x60
const CAUSE = 0x68
const PRID = 0x78
const BRCM_CBR = 0xb6

let machine: Machine | null = null
afterEach(() => {
  machine?.dispose()
  machine = null
})

function build(text: string) {
  const { description } = readMachineFile(`machine: bcm3384\n${text}\n`, { file: 'm.yaml' })
  const built = createMachine(description)
  machine = built.machine
  return built
}

function treeOf({ machine: { bus }, deviceTree }: ReturnType<typeof build>) {
  const header = new Uint8Array(8)
  bus.readBytes(deviceTree!, header)
  const blob = new Uint8Array(new DataView(header.buffer).getUint32(4))
  bus.readBytes(deviceTree!, blob)
  return parseDtb(blob)
}

const read = (bus: CpuBus, address: number): number => {
  const into = new Uint8Array(1)
  bus.readBytes(address, into)
  return into[0]!
}

describe('coprocessor 0 of a BMIPS core', () => {
  it('MD00090 Status comes out of reset with BEV and ERL, and no interrupt is taken then', () => {
    const one = new Coprocessor({ id: 0x2a075, controlBase: 0xff40_0000 })
    expect(one.read(STATUS)).toBe(0x0040_0004)
    expect([one.read(PRID), one.read(BRCM_CBR)]).toEqual([0x2a075, 0xff40_0000])
    one.setInput(4, true)
    expect(one.read(CAUSE)).toBe(0x1000)
    expect([one.pending, one.take()]).toEqual([false, -1])
  })

  it('an input interrupts where IM lets it, IE is set, and EXL and ERL are not', () => {
    const one = new Coprocessor({ id: 0, controlBase: 0 })
    one.setInput(4, true)
    for (const [status, pending] of [
      [0x1001, true],
      [0x1000, false],
      [0x0801, false],
      [0x1003, false],
      [0x1005, false],
    ] as const) {
      one.write(STATUS, status)
      expect(one.pending, status.toString(16)).toBe(pending)
    }
    one.write(STATUS, 0x1001)
    expect(one.take()).toBe(0)
    one.setInput(4, false)
    expect(one.take()).toBe(-1)
  })

  it('software drives inputs 0 and 1 by Cause, and no others', () => {
    const one = new Coprocessor({ id: 0, controlBase: 0 })
    one.write(CAUSE, 0xffff_ffff)
    expect(one.read(CAUSE)).toBe(0x0300)
    one.write(CAUSE, 0)
    expect(one.read(CAUSE)).toBe(0)
    one.write(PRID, 1)
    expect(one.read(PRID)).toBe(0)
  })
})

describe('a BCM3380 second-level interrupt controller', () => {
  it('shows every level, and lets through what is enabled, in either word', () => {
    const driven: boolean[] = []
    const one = new L2Interrupts(2, (asserted) => driven.push(asserted))
    const [low, high] = [one.registers(0), one.registers(1)]
    one.setInput(48, true)
    one.setInput(31, true)
    expect([low.read(4, 4), high.read(4, 4)]).toEqual([0x8000_0000, 0x1_0000])
    expect(driven.at(-1)).toBe(false)
    high.write(0, 4, 0x1_0000)
    expect([high.read(0, 4), driven.at(-1)]).toEqual([0x1_0000, true])
    one.setInput(48, false)
    expect(driven.at(-1)).toBe(false)
  })

  it('takes words at its two registers and nothing else', () => {
    const one = new L2Interrupts(1, () => {})
    const word = one.registers(0)
    word.write(0, 1, 0xff)
    word.write(4, 4, 0xffff_ffff)
    expect([word.read(0, 4), word.read(4, 4), word.read(0, 2), word.read(8, 4)]).toEqual([0, 0, 0, 0])
    expect(() => one.setInput(32, true)).toThrow(RangeError)
  })
})

describe('a BCM3384', () => {
  it('tells of two banks, each in the other’s place for the UBUS and what is on it (bcm3384_zephyr.dtsi)', () => {
    const tree = treeOf(build('memory: 256M'))
    expect(tree.root.strings('compatible')).toEqual(['brcm,bcm93384wvg', 'brcm,bcm3384', 'brcm,bcm33843'])
    expect(tree.find('/ubus')!.cells('dma-ranges')).toEqual([
      ...[0, 0x0800_0000, 0x0800_0000],
      ...[0x0800_0000, 0, 0x0800_0000],
    ])
    const bridge = tree.find('/ubus/pcie@1c000000')!
    expect(findDmaWindows(bridge)).toMatchObject({ on: { name: 'ubus' }, problem: null })
    expect(parseReg(tree.find('/memory@0')!)).toEqual([expect.objectContaining({ address: 0, size: 256 * MIB })])
    const controller = tree.find('/ubus/periph_intc@14e00038')!
    expect(controller.cells('reg')).toEqual([...[0x14e0_0038, 4, 0x14e0_003c, 4], ...[0x14e0_0340, 4, 0x14e0_0344, 4]])
    expect(resolveInterrupt(tree, bridge, [2 << 11, 0, 0], [1])).toMatchObject({
      ok: true,
      controller,
      specifier: [50],
    })
  })

  it('has four virtio transports on its bus, modern ones unless told otherwise', () => {
    const built = build('memory: 64M\ndevices: [{ model: virtio-rng-device }]')
    const transport = treeOf(built).find('/ubus/virtio_mmio@15600600')!
    expect(transport.cells('reg')).toEqual([0x1560_0600, 0x200])
    expect(transport.cell('interrupts')).toBe(55)
    const { bus } = built.machine
    // MagicValue, Version, DeviceID: an entropy device in the last; none in the first.
    expect([0, 4, 8].map((offset) => bus.read32(0x1560_0600 + offset))).toEqual([0x7472_6976, 2, 4])
    expect([0, 4, 8].map((offset) => bus.read32(0x1560_0000 + offset))).toEqual([0x7472_6976, 2, 0])
    machine?.dispose()
    const legacy = build('memory: 64M\nvirtioTransports: { force-legacy: on }')
    expect(legacy.machine.bus.read32(0x1560_0004)).toBe(1)
  })

  it('has the windows of a machine file instead, in its tree too', () => {
    const tree = treeOf(build('memory: 64M\ninbound: [{ windows: [{ bus: 0x40000000, memory: 0, size: 64M }] }]'))
    expect(tree.find('/ubus')!.cells('dma-ranges')).toEqual([0x4000_0000, 0, 64 * MIB])
  })

  it('gives its other processor two pieces of memory, at their own addresses for everybody (bcm3384_viper.dtsi)', () => {
    const tree = treeOf(build('memory: 64M\ncpu: bmips4350'))
    expect(tree.root.strings('compatible')[1]).toBe('brcm,bcm3384-viper')
    expect(tree.find('/ubus')!.has('dma-ranges')).toBe(false)
    expect(tree.find('/memory@6000000')!.cells('reg')).toEqual([0x0600_0000, 32 * MIB, 0x0e00_0000, 32 * MIB])
    expect(tree.find('/ubus/periph_intc@14e00048')).toBeDefined()
    expect(tree.find('/cpus')!.cell('mips-hpt-frequency')).toBe(300_000_000)
  })

  it('says which of its processors it is by PRId', () => {
    expect(build('memory: 64M').machine.bus.systemRegisters?.read(PRID)).toBe(0x2_5a11)
    machine?.dispose()
    expect(build('memory: 64M\ncpu: bmips4350').machine.bus.systemRegisters?.read(PRID)).toBe(0x2_a075)
  })

  it('has caches where it is physical, and none where it is emulated', () => {
    expect(build('memory: 64M').machine.bus.cache).toBeUndefined()
    machine?.dispose()
    expect(build('memory: 64M\nhypervisor: physical').machine.bus.cache?.lineBytes).toBe(32)
    expect(machine?.readAhead).toBeNull()
  })

  it('flushes its read-ahead cache by bit 8 of RAC_CONFIG, which reads as zero', () => {
    const { bus } = build('memory: 64M\ncpu: bmips4350\nhypervisor: physical').machine
    const config = bus.systemRegisters!.read(BRCM_CBR)
    expect(bus.read32(config)).toBe(0xf)
    const address = 0x0780_0000
    read(bus, address)
    // Past the caches: as a device would.
    bus.write8(address + (bus.uncachedOffset ?? 0), 7)
    bus.cache?.invalidate(address, 64)
    expect(read(bus, address)).toBe(0)
    bus.write32(config, 0x10f)
    bus.cache?.invalidate(address, 64)
    expect([bus.read32(config), read(bus, address)]).toEqual([0xf, 7])
  })

  it('reads ahead no more where RAC_CONFIG switches it off', () => {
    const { bus } = build('memory: 64M\ncpu: bmips4350\nhypervisor: physical').machine
    const config = bus.systemRegisters!.read(BRCM_CBR)
    bus.write32(config, 0)
    expect([bus.read32(config), machine?.readAhead?.isEnabled]).toEqual([0, false])
    bus.write8(config, 0xf)
    expect([bus.read32(config), bus.read8(config)]).toEqual([0, 0])
    bus.write32(config + 4, 0x0fff_0000)
    expect([bus.read32(config + 4), bus.read32(config + 12)]).toEqual([0x0fff_0000, 0xffff_ffff])
  })

  it.each([
    ['memory: 512M', /MACHINE_MEMORY .*32M to 256M/],
    ['memory: 16M', /MACHINE_MEMORY/],
    ['memory: 128M\ncpu: bmips4350', /MACHINE_MEMORY .*to 64M/],
    ['memory: 64M\ncpu: bmips4530', /MACHINE_PROCESSOR .*did you mean bmips4350/],
    ['memory: 64M\ncpus: 2', /MACHINE_PROCESSOR 2 processors/],
    ['memory: 64M\ndevices: [{ model: virtio-iommu-pci }]', /MACHINE_NOT_MODELLED .*virtio-iommu-pci/],
    ['memory: 64M\ndevices: [{ model: pxb-pcie, bus_nr: 8 }]', /MACHINE_NOT_MODELLED .*pxb-pcie/],
    ['memory: 64M\ndevices: [{ model: intel-iommu }]', /MACHINE_UNKNOWN_DEVICE .*intel-iommu/],
    ['memory: 64M\ninbound: [{ windows: [{ bus: 0x18000000, memory: 0, size: 64M }] }]', /MACHINE_INBOUND .*overlaps/],
    ['memory: 64M\ninbound: [{ windows: [{ bus: 0xfc000000, memory: 0, size: 128M }] }]', /MACHINE_INBOUND .*4 GiB/],
    [
      'memory: 64M\ninbound: [&w { windows: [{ bus: 0, memory: 0, size: 64M }] }, *w]',
      /MACHINE_NOT_MODELLED .*one bus/,
    ],
    ['memory: 64M\nmemorySystem: noncoherent', /MACHINE_FILE_VALUE .*only a virt/],
  ])('refuses %j', (text, message) => {
    expect(errorOf(() => build(text))).toMatch(message)
  })
})
