import { readFileSync } from 'node:fs'
import { firstDifference, parseDtb, parseDts } from '@dmascope/devicetree'
import { AddressSpace, GuestRam } from '@dmascope/memory'
import { RootComplex } from '@dmascope/pci'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StaticFunction } from '../src/chipset/static-function.ts'
import { E500HostBridge } from '../src/e500/host-bridge.ts'
import { RunQueue } from '../src/fabric/run-queue.ts'
import type { MachineDescription } from '../src/index.ts'
import { swap32 } from '../src/openpic/open-pic.ts'
import { build, describeMachine, device, refusalOf } from './described-machine.ts'
import { FakeFabric } from './fake-fabric.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const MIB = 2 ** 20
const PCI = 0xf_e000_8000
const MPIC = 0xf_e004_0000

function start(more: Partial<MachineDescription> = {}) {
  const built = build(describeMachine('ppce500', [], more))
  const { bus } = built.machine
  const write = (address: number, value: number): void => bus.write32(address, swap32(value))
  const read = (address: number): number => swap32(bus.read32(address))
  const config = (slot: number, offset: number): number => {
    write(PCI, 0x8000_0000 + slot * 0x800 + (offset & 0xfc))
    return PCI + 4 + (offset & 3)
  }
  return { ...built, bus, read, write, config }
}

const refusal = (more: Partial<MachineDescription>): string => refusalOf(describeMachine('ppce500', [], more))

describe('ppce500', () => {
  it.each(['7.2', '11.1'] as const)('has the tree that QEMU %s wrote', (qemuVersion) => {
    const { bus, deviceTree } = start({ qemuVersion, cpus: 2, append: 'console=ttyS0' })
    const header = new Uint8Array(8)
    bus.readBytes(deviceTree!, header)
    const blob = new Uint8Array(new DataView(header.buffer).getUint32(4))
    bus.readBytes(deviceTree!, blob)
    const path = new URL(`./golden/ppce500/qemu-${qemuVersion}.dts`, import.meta.url)
    const theirs = parseDts(readFileSync(path, 'utf8'), { source: path.pathname })
    expect(firstDifference(parseDtb(blob, { source: 'ours' }).root, theirs.root)).toBeNull()
  })

  it('has its bridge’s function at 00:00.0, reached by CFG_ADDR and CFG_DATA', () => {
    const { bus, config, read } = start()
    expect(bus.read32(config(0, 0))).toBe(0x0030_1957)
    expect(bus.read32(config(0, 8)) >>> 8).toBe(0x0b_2000)
    expect(bus.read16(config(0, 2))).toBe(0x0030)
    expect(read(PCI)).toBe(0x8000_0000)
    bus.write32(config(0, 0x10), 0xffff_ffff)
    expect(bus.read32(config(0, 0x10))).toBe(0xfff0_0000)
    expect(bus.read32(config(2, 0))).toBe(0xffff_ffff)
  })

  it('keeps windows’ registers at their offsets, and nothing in between', () => {
    const { read, write } = start()
    for (const offset of [0xc20, 0xc24, 0xc28, 0xc30, 0xc80, 0xda0, 0xda8, 0xdac, 0xdb0, 0xdc0, 0xde0, 0xdf0]) {
      write(PCI + offset, 0x0123_4560 + offset)
      expect(read(PCI + offset)).toBe(0x0123_4560 + offset)
    }
    for (const offset of [0xc00, 0xc2c, 0xc34, 0xd80, 0xda4, 0xdb4, 0xe00]) {
      write(PCI + offset, 0xffff_ffff)
      expect(read(PCI + offset)).toBe(0)
    }
  })

  it('refuses what QEMU refuses', () => {
    expect(refusal({ memory: 100 * MIB })).toMatch(/multiple of 67108864/)
    expect(refusal({ cpus: 33 })).toMatch(/Invalid SMP CPUs 33/)
    expect(refusal({ cpu: 'power9' })).toMatch(/'power9' is not a processor of a ppce500/)
    expect(refusal({ devices: [device('virtio-iommu-pci')] })).toMatch(/fails to create iommu-map/)
    expect(refusal({ devices: [device('pxb', { id: 'x', properties: { bus_nr: 8 } })] })).toMatch(/not a valid device/)
    expect(refusal({ devices: [device('virtio-blk-pci', { addr: { device: 0, function: 0 } })] })).toMatch(
      /e500-host-bridge/,
    )
  })

  it('is for kernels of 64 bits with the processors that run them', () => {
    expect(start({ cpu: 'e5500' }).machine.architecture).toBe('ppc64')
    expect(start({ cpu: 'e500mc' }).machine.architecture).toBe('ppc')
    expect(start().machine.architecture).toBe('ppc')
  })
})

/** A bridge of its own, and what a machine puts around it. */
function bridge() {
  const ram = new GuestRam([{ base: 0, size: 64 * MIB }])
  const [cpu, devices] = [new AddressSpace(ram), new AddressSpace(ram)]
  const root = new RootComplex()
  const host = new E500HostBridge()
  host.connect(root, new RunQueue(), [cpu, devices], devices)
  root.attach(host.function, { device: 0 })
  const write = (offset: number, value: number): void => cpu.write(PCI + offset, 4, swap32(value))
  return {
    host,
    cpu,
    devices,
    root,
    write,
    inbound(at: number, memory: number, bus: number, log2: number): void {
      write(at, memory / 0x1000)
      write(at + 0x8, Math.floor(bus / 0x1000))
      write(at + 0x10, (0xa0f5_5000 | (log2 - 1)) >>> 0)
    },
    config(slot: number, offset: number, value: number): void {
      write(0, 0x8000_0000 + slot * 0x800 + offset)
      cpu.write(PCI + 4, 4, value)
    },
  }
}

describe('inbound windows', () => {
  it('are off out of reset: devices reach nothing', () => {
    const { host } = bridge()
    expect([host.memoryOf(0, 4), host.memoryOf(0x1000_0000, 4)]).toEqual([-1, -1])
  })

  it('have 2^(IWS + 1) bytes from PIWBAR on, at PITAR in memory', () => {
    const { host, inbound } = bridge()
    inbound(0xde0, 0x100_0000, 0x4000_0000, 20)
    expect(host.memoryOf(0x4000_0000, 4)).toBe(0x100_0000)
    expect(host.memoryOf(0x400f_fffc, 4)).toBe(0x10f_fffc)
    expect(host.memoryOf(0x400f_fffe, 4)).toBe(-1)
    expect(host.memoryOf(0x3fff_fffc, 4)).toBe(-1)
  })

  it('reach beyond 4 GiB on the bus, and go when they are switched off', () => {
    const { host, inbound, write } = bridge()
    inbound(0xdc0, 0, 2 ** 33, 33)
    expect(host.memoryOf(2 ** 33 + 0x1234, 4)).toBe(0x1234)
    expect(host.memoryOf(2 ** 34, 4)).toBe(-1)
    const before = host.revision
    write(0xdd0, 0)
    expect(host.memoryOf(2 ** 33 + 0x1234, 4)).toBe(-1)
    expect(host.revision).toBeGreaterThan(before)
  })

  it('of two that overlap, the one that was set last has it', () => {
    const { host, inbound } = bridge()
    inbound(0xde0, 0, 0, 24)
    inbound(0xdc0, 0x200_0000, 0, 20)
    expect([host.memoryOf(0, 4), host.memoryOf(0x10_0000, 4)]).toEqual([0x200_0000, 0x10_0000])
    inbound(0xde0, 0, 0, 24)
    expect(host.memoryOf(0, 4)).toBe(0)
  })

  it('give way to BAR 0 of the bridge, which leads to CCSR, and to BARs of others on the bus', () => {
    const { host, inbound, config, root, devices } = bridge()
    inbound(0xde0, 0, 0, 32)
    config(0, 0x10, 0xdff0_0000)
    expect(host.memoryOf(0xdff4_1740, 4)).toBe(0xdff4_1740)
    config(0, 4, 6)
    expect(host.memoryOf(0xdff4_1740, 4)).toBe(MPIC + 0x1740)
    const peer = new StaticFunction({
      vendorId: 1,
      deviceId: 1,
      classCode: 0,
      bars: [{ bar: 0, kind: 'memory32', size: 0x1000 }],
    })
    root.attach(peer, { device: 3 })
    config(3, 0x10, 0xe000_0000)
    config(3, 4, 6)
    expect(devices.find(host.memoryOf(0xe000_0010, 4))).toMatchObject({ name: 'BAR' })
  })

  it('end the views that devices have of memory when software moves them', () => {
    const { host, inbound } = bridge()
    inbound(0xde0, 0, 0x4000_0000, 26)
    const one = new FakeFabric({ inbound: { dma: host, messages: host } })
    one.grant(0x1000, 0x1000)
    const view = one.port.view(0, 0x4000_1000, 64, 3)!
    expect(one.port.isCurrent(view)).toBe(true)
    inbound(0xde0, 0x100_0000, 0x4000_0000, 24)
    expect(one.port.isCurrent(view)).toBe(false)
    expect(one.port.view(0, 0x4000_1000, 64, 3)).toBeNull()
    const again = new FakeFabric({ inbound: { dma: host, messages: host } })
    again.grant(0x1000, 0x1000)
    inbound(0xde0, 0, 0x4000_0000, 26)
    const held = again.port.view(0, 0x4000_1000, 64, 3)!
    again.port.rewire(null)
    expect(again.port.isCurrent(held)).toBe(false)
    const straight = again.port.view(0, 0x1000, 64, 3)!
    expect(again.port.isCurrent(straight)).toBe(true)
    again.port.rewire(null, host)
    expect(again.port.isCurrent(straight)).toBe(false)
  })

  it('map as a plain table of them does, whatever software sets', () => {
    const window = fc.record({
      at: fc.constantFrom(0xda0, 0xdc0, 0xde0),
      memory: fc.nat(0xff),
      bus: fc.nat(0xff),
      log2: fc.integer({ min: 12, max: 24 }),
    })
    const made = bridge()
    fc.assert(
      fc.property(fc.array(window, { maxLength: 6 }), fc.nat(0xfff_ffff), (windows, address) => {
        for (const at of [0xda0, 0xdc0, 0xde0]) made.write(at + 0x10, 0)
        let table: { at: number; from: number; to: number; size: number }[] = []
        for (const { at, memory, bus, log2 } of windows) {
          made.inbound(at, memory * 0x1_0000, bus * 0x1_0000, log2)
          const rest = table.filter((one) => one.at !== at)
          table = [{ at, from: bus * 0x1_0000, to: memory * 0x1_0000, size: 2 ** log2 }, ...rest]
        }
        const found = table.filter(({ from, size }) => address >= from && address + 4 <= from + size)
        const newest = windows.at(-1)
        const first = found.find(({ at }) => at === newest?.at) ?? found.at(-1)
        const got = made.host.memoryOf(address, 4)
        if (first === undefined) expect(got).toBe(-1)
        else expect(found.map(({ from, to }) => address - from + to)).toContain(got)
        if (first !== undefined && first.at === newest?.at) expect(got).toBe(address - first.from + first.to)
      }),
      RUNS,
    )
  })
})

describe('outbound windows', () => {
  it('show the processor what is on the bus, as memory or as ports', () => {
    const { cpu, write, config, root } = bridge()
    const one = new StaticFunction({
      vendorId: 1,
      deviceId: 1,
      classCode: 0,
      bars: [
        { bar: 0, kind: 'memory32', size: 0x1000 },
        { bar: 1, kind: 'io', size: 0x20 },
      ],
    })
    root.attach(one, { device: 2 })
    config(2, 0x10, 0xe000_0000)
    config(2, 0x14, 0x1000)
    config(2, 4, 7)
    expect(cpu.find(0xc_0000_0000)).toBeNull()
    write(0xc20, 0xe_0000)
    write(0xc28, 0xc0_0000)
    write(0xc30, 0x8004_401c)
    expect(cpu.find(0xc_0000_0010)).toMatchObject({ name: 'BAR', base: 0xc_0000_0000 })
    expect(cpu.find(0xc_0000_1000)).toBeNull()
    write(0xc40, 0)
    write(0xc48, 0xfe_1000)
    write(0xc50, 0x8008_800f)
    expect(cpu.find(0xf_e100_1004)).toMatchObject({ name: 'BAR' })
    expect(cpu.find(0xf_e100_0004)).toBeNull()
    write(0xc30, 0)
    expect(cpu.find(0xc_0000_0010)).toBeNull()
  })
})
