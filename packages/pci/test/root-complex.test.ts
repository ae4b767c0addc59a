import { Bridge, type PciFunction, ROM_BAR, RootComplex, RootPort } from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Endpoint } from './endpoint.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const bridgeIds = { vendorId: 0x1b36, deviceId: 0x0001, classCode: 0x060400 } as const

/** Bus numbers and windows, as firmware programs them; windows in MiB and 4 KiB. */
function programBridge(
  bridge: PciFunction,
  at: {
    secondary: number
    subordinate: number
    memory?: [number, number]
    prefetchable?: [number, number]
    io?: [number, number]
  },
): void {
  const { config } = bridge
  config.write(0x19, 1, at.secondary)
  config.write(0x1a, 1, at.subordinate)
  const [memory, memoryLimit] = at.memory ?? [0xfff0_0000, 0]
  config.write(0x20, 2, memory >>> 16)
  config.write(0x22, 2, memoryLimit >>> 16)
  const [prefetchable, prefetchableLimit] = at.prefetchable ?? [0xfff0_0000, 0]
  config.write(0x24, 2, Math.floor(prefetchable / 0x1_0000) & 0xffff)
  config.write(0x26, 2, Math.floor(prefetchableLimit / 0x1_0000) & 0xffff)
  config.write(0x28, 4, Math.floor(prefetchable / 2 ** 32))
  config.write(0x2c, 4, Math.floor(prefetchableLimit / 2 ** 32))
  const [io, ioLimit] = at.io ?? [0xf000, 0]
  config.write(0x1c, 1, io >>> 8)
  config.write(0x1d, 1, ioLimit >>> 8)
  config.write(0x04, 2, 0x0007)
}

function memoryDevice(address: number, size = 0x1000): Endpoint {
  const device = new Endpoint({ size: 4096, bars: [{ bar: 0, kind: 'memory64', size }] })
  device.config.write(0x10, 4, address % 2 ** 32)
  device.config.write(0x14, 4, Math.floor(address / 2 ** 32))
  device.config.write(0x04, 2, 0x0006)
  return device
}

describe('configuration requests', () => {
  it('reach a function on the root bus, and read all ones where there is none', () => {
    const complex = new RootComplex()
    complex.attach(new Endpoint(), { device: 3 })
    expect(complex.configRead(0, 3, 0, 0, 4)).toBe(0x5678_1234)
    expect(complex.configRead(0, 3, 1, 0, 4)).toBe(0xffff_ffff)
    expect(complex.configRead(0, 4, 0, 0, 2)).toBe(0xffff)
    expect(complex.configRead(1, 0, 0, 0, 1)).toBe(0xff)
    complex.configWrite(9, 0, 0, 4, 2, 7)
  })

  it('§7.5.1.3 are routed by the bus numbers that software programmed, and follow them', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    complex.attach(port, { device: 2 })
    const upstream = new Bridge({ ...bridgeIds })
    complex.attach(upstream, { bus: port.secondary, device: 0 })
    const device = new Endpoint()
    complex.attach(device, { bus: upstream.secondary, device: 5, fn: 1 })

    expect(complex.configRead(2, 5, 1, 0, 4)).toBe(0xffff_ffff)
    programBridge(port, { secondary: 1, subordinate: 2 })
    programBridge(upstream, { secondary: 2, subordinate: 2 })
    expect(complex.configRead(2, 5, 1, 0, 4)).toBe(0x5678_1234)
    expect(complex.functionAt((2 << 8) | (5 << 3) | 1)).toBe(device)
    expect(formatBdf(complex.requesterIdOf(device))).toBe('0000:02:05.1')

    programBridge(port, { secondary: 0x40, subordinate: 0x50 })
    expect(complex.configRead(2, 5, 1, 0, 4)).toBe(0xffff_ffff)
    complex.configWrite(0x40, 0, 0, 0x18, 4, 0x00_45_45_40)
    expect(formatBdf(complex.requesterIdOf(device))).toBe('0000:45:05.1')
    expect(complex.configRead(0x45, 5, 1, 0, 4)).toBe(0x5678_1234)
    // The subordinate number of the port bounds what gets through.
    port.config.write(0x1a, 1, 0x44)
    expect(complex.configRead(0x45, 5, 1, 0, 4)).toBe(0xffff_ffff)
  })

  it.each([
    ['was attached later', [1, 2], 2],
    ['was attached first: they end below the other', [2, 1], 0xffff],
  ] as const)('go to the newest of two bridges that claim the same number: the second %s', (_when, order, answer) => {
    const complex = new RootComplex()
    const ports = new Map(order.map((device) => [device, new RootPort()]))
    for (const [device, port] of ports) {
      complex.attach(port, { device })
      complex.attach(new Endpoint({ deviceId: device }), { bus: port.secondary, device: 0 })
    }
    programBridge(ports.get(1)!, { secondary: 1, subordinate: 255 })
    programBridge(ports.get(2)!, { secondary: 2, subordinate: 2 })
    expect(complex.configRead(1, 0, 0, 2, 2)).toBe(1)
    expect(complex.configRead(2, 0, 0, 2, 2)).toBe(answer)
  })

  it.each([
    ['a bridge that was attached after the expander', 5, 0x0b],
    ['an expander that was attached after the bridge', 9, 0x0e],
  ] as const)('for a root bus’s number go to %s', (_whose, expander, answer) => {
    const complex = new RootComplex()
    const root = complex.addRootBus(8, { expander })
    const port = new RootPort()
    const stub = new Endpoint({ deviceId: 1 })
    for (const [one, device] of expander === 5
      ? ([
          [stub, 5],
          [port, 7],
        ] as const)
      : ([
          [port, 7],
          [stub, 9],
        ] as const)) {
      complex.attach(one, { device })
    }
    complex.attach(new Endpoint({ deviceId: 0x0e }), { bus: root, device: 0 })
    complex.attach(new Endpoint({ deviceId: 0x0b }), { bus: port.secondary, device: 0 })
    programBridge(port, { secondary: 8, subordinate: 8 })
    expect(complex.configRead(8, 0, 0, 2, 2)).toBe(answer)
  })

  it('for extended space do not get through a conventional bus', () => {
    const complex = new RootComplex({ bus: { extendedConfig: false } })
    complex.attach(new Endpoint({ size: 4096 }), { device: 0 })
    expect(complex.configRead(0, 0, 0, 0xfc, 4)).toBe(0)
    expect(complex.configRead(0, 0, 0, 0x100, 4)).toBe(0xffff_ffff)
  })

  it('reach further root buses, each up to the next', () => {
    const complex = new RootComplex()
    const expander = complex.addRootBus(0x80)
    const port = new RootPort()
    const device = new Endpoint()
    complex.attach(port, { bus: expander, device: 0 })
    complex.attach(device, { bus: port.secondary, device: 0 })
    programBridge(port, { secondary: 0x81, subordinate: 0xff })
    expect(complex.configRead(0x80, 0, 0, 0, 2)).toBe(0x1b36)
    expect(complex.configRead(0x81, 0, 0, 0, 2)).toBe(0x1234)
    expect(complex.rootBuses.map((bus) => bus.number)).toEqual([0, 0x80])
    expect(() => complex.addRootBus(0x80)).toThrow(RangeError)
  })
})

describe('attach', () => {
  it('refuses slots that are not there', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    expect(() => complex.attach(new Endpoint(), { bus: port.secondary, device: 0 })).toThrow(/attach the bridge/)
    complex.attach(port, { device: 1 })
    expect(() => complex.attach(new Endpoint(), { device: 1 })).toThrow(/taken/)
    expect(() => complex.attach(new Endpoint(), { device: 32 })).toThrow(RangeError)
    expect(() => complex.attach(new Endpoint(), { bus: port.secondary, device: 1 })).toThrow(/only device 0/)
    expect(() => complex.attach(port, { device: 2 })).toThrow(/attached already/)
    expect(() => complex.slotOf(new Endpoint())).toThrow(TypeError)
  })

  it('lists functions in bus order, what is below a bridge right after it', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    complex.attach(new Endpoint(), { device: 31, fn: 2 })
    complex.attach(port, { device: 4 })
    complex.attach(new Endpoint(), { bus: port.secondary, device: 0, fn: 1 })
    complex.attach(new Endpoint(), { device: 0 })
    programBridge(port, { secondary: 7, subordinate: 7 })
    expect([...complex.functions()].map((slot) => formatBdf(slot.requesterId))).toEqual([
      '0000:00:00.0',
      '0000:00:04.0',
      '0000:07:00.1',
      '0000:00:1f.2',
    ])
  })
})

describe('what answers at an address', () => {
  it('is a BAR, with the offset in it', () => {
    const complex = new RootComplex()
    const device = memoryDevice(0xfebc_0000, 0x4000)
    complex.attach(device, { device: 2 })
    expect(complex.decodeMemory(0xfebc_2004)).toEqual({ function: device, bar: 0, offset: 0x2004 })
    expect(complex.decodeMemory(0xfebb_ffff)).toBeNull()
    expect(complex.decodeMemory(0xfebc_4000)).toBeNull()
    device.config.write(0x10, 4, 0xe000_0000)
    expect(complex.decodeMemory(0xfebc_2004)).toBeNull()
    expect(complex.decodeMemory(0xe000_0000)?.function).toBe(device)
    device.config.write(0x04, 2, 0)
    expect(complex.decodeMemory(0xe000_0000)).toBeNull()
  })

  it('is behind a bridge only as far as its windows reach', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    const low = memoryDevice(0xfd20_0000)
    const high = memoryDevice(0x8_0000_0000, 0x20_0000)
    complex.attach(port, { device: 2 })
    complex.attach(low, { bus: port.secondary, device: 0, fn: 0 })
    complex.attach(high, { bus: port.secondary, device: 0, fn: 1 })
    expect(complex.decodeMemory(0xfd20_0000)).toBeNull()
    programBridge(port, {
      secondary: 1,
      subordinate: 1,
      memory: [0xfd20_0000, 0xfd3f_ffff],
      prefetchable: [0x8_0000_0000, 0x8_000f_ffff],
    })
    expect(complex.decodeMemory(0xfd20_0010)).toEqual({ function: low, bar: 0, offset: 0x10 })
    expect(complex.decodeMemory(0x8_000f_ffff)).toEqual({ function: high, bar: 0, offset: 0xf_ffff })
    // The window ends in the middle of the BAR.
    expect(complex.decodeMemory(0x8_0010_0000)).toBeNull()
    port.config.write(0x04, 2, 0)
    expect(complex.decodeMemory(0xfd20_0010)).toBeNull()
  })

  it('passes every window on the way down', () => {
    const complex = new RootComplex()
    const outer = new Bridge(bridgeIds)
    const inner = new Bridge(bridgeIds)
    const device = new Endpoint({ bars: [{ bar: 0, kind: 'io', size: 0x20 }] })
    complex.attach(outer, { device: 1 })
    complex.attach(inner, { bus: outer.secondary, device: 3 })
    complex.attach(device, { bus: inner.secondary, device: 4 })
    device.config.write(0x10, 4, 0xd040)
    device.config.write(0x04, 2, 1)
    programBridge(inner, { secondary: 2, subordinate: 2, io: [0xd000, 0xdfff] })
    expect(complex.decodeIo(0xd045)).toBeNull()
    programBridge(outer, { secondary: 1, subordinate: 2, io: [0xc000, 0xdfff] })
    expect(complex.decodeIo(0xd045)).toEqual({ function: device, bar: 0, offset: 5 })
    // §7.5.1.3 ISA Enable leaves only the first 256 bytes of each 1 KiB to what is below.
    outer.config.write(0x3e, 2, 0x0004)
    expect(complex.decodeIo(0xd045)?.function).toBe(device)
    device.config.write(0x10, 4, 0xd140)
    expect(complex.decodeIo(0xd145)).toBeNull()
  })

  it('is VGA memory behind a bridge with VGA Enable', () => {
    const complex = new RootComplex()
    const bridge = new Bridge(bridgeIds)
    const vga = memoryDevice(0xa_0000, 0x1_0000)
    complex.attach(bridge, { device: 1 })
    complex.attach(vga, { bus: bridge.secondary, device: 0 })
    programBridge(bridge, { secondary: 1, subordinate: 1 })
    expect(complex.decodeMemory(0xa_8000)).toBeNull()
    bridge.config.write(0x3e, 2, 0x0008)
    expect(complex.decodeMemory(0xa_8000)?.function).toBe(vga)
  })

  it('is the ROM while it is enabled', () => {
    const complex = new RootComplex()
    const device = new Endpoint({ romSize: 0x1_0000 })
    complex.attach(device, { device: 1 })
    device.config.write(0x30, 4, 0xfeb0_0001)
    device.config.write(0x04, 2, 2)
    expect(complex.decodeMemory(0xfeb0_1234)).toEqual({ function: device, bar: ROM_BAR, offset: 0x1234 })
  })

  it('agrees with asking every BAR in bus order', () => {
    const place = fc.record({ size: fc.integer({ min: 4, max: 8 }), address: fc.nat(0x7ff) })
    const window = fc.tuple(fc.nat(3), fc.nat(3))
    fc.assert(
      fc.property(
        fc.array(place, { maxLength: 6 }),
        window,
        fc.array(fc.nat(0x3f_ffff), { maxLength: 8 }),
        (places, range, probes) => {
          const complex = new RootComplex()
          const bridge = new Bridge(bridgeIds)
          complex.attach(bridge, { device: 3 })
          programBridge(bridge, {
            secondary: 1,
            subordinate: 1,
            memory: [range[0] * 0x10_0000, range[1] * 0x10_0000 + 0xf_ffff],
          })
          const devices = places.map(({ size, address }, index) => {
            const device = memoryDevice(address * 0x1000, 2 ** (size + 8))
            const below = index % 2 === 1
            complex.attach(device, { ...(below && { bus: bridge.secondary }), device: index })
            return { device, below, order: below ? 3 + index / 100 : index }
          })
          devices.sort((a, b) => a.order - b.order)
          const inWindow = (at: number): boolean => at >= range[0] * 0x10_0000 && at < (range[1] + 1) * 0x10_0000
          for (const probe of probes.concat(places.map(({ address }) => address * 0x1000))) {
            const expected = devices.find(({ device, below }) => {
              const { address, size } = device.config.bars[0]!
              return address !== null && probe >= address && probe < address + size && (!below || inWindow(probe))
            })
            const found = complex.decodeMemory(probe)
            expect(found?.function ?? null).toBe(expected?.device ?? null)
            if (expected) expect(found!.offset).toBe(probe - expected.device.config.bars[0]!.address!)
          }
        },
      ),
      { numRuns },
    )
  })
})

describe('CF8 and ECAM', () => {
  it('PCI 3.0 §3.2.2.3.2 CONFIG_ADDRESS takes dwords only, and no reserved bits', () => {
    const ports = new RootComplex().createCf8Ports()
    ports.write(0, 4, 0xffff_ffff)
    expect(ports.read(0, 4)).toBe(0x80ff_fffc)
    ports.write(0, 2, 0)
    ports.write(1, 1, 0)
    expect(ports.read(0, 4)).toBe(0x80ff_fffc)
    expect(ports.read(1, 1)).toBe(0xff)
  })

  it('CONFIG_DATA is dead while the enable bit is clear', () => {
    const complex = new RootComplex()
    complex.attach(new Endpoint(), { device: 0 })
    const ports = complex.createCf8Ports()
    ports.write(0, 4, 0)
    expect(ports.read(4, 4)).toBe(0xffff_ffff)
    ports.write(0, 4, 0x8000_0000)
    expect(ports.read(4, 4)).toBe(0x5678_1234)
    expect(ports.read(6, 2)).toBe(0x5678)
    expect(ports.read(7, 1)).toBe(0x56)
  })

  it('are two ways to the same registers', () => {
    const access = fc.record({
      write: fc.boolean(),
      byEcam: fc.boolean(),
      bus: fc.nat(2),
      device: fc.nat(3),
      fn: fc.nat(1),
      dword: fc.nat(63),
      byte: fc.nat(3),
      width: fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>,
      value: fc.integer({ min: 0, max: 0xffff_ffff }),
    })
    const build = (): RootComplex => {
      const complex = new RootComplex()
      const port = new RootPort()
      complex.attach(port, { device: 1 })
      complex.attach(new Endpoint({ bars: [{ bar: 0, kind: 'memory32', size: 0x1000 }] }), { device: 2, fn: 1 })
      complex.attach(new Endpoint(), { bus: port.secondary, device: 0 })
      programBridge(port, { secondary: 1, subordinate: 1 })
      return complex
    }
    fc.assert(
      fc.property(fc.array(access, { maxLength: 12 }), (accesses) => {
        const one = build()
        const other = build()
        const ports = one.createCf8Ports()
        const ecam = one.createEcam()
        const seen: number[] = []
        const expected: number[] = []
        for (const { write, byEcam, bus, device, fn, dword, byte, width, value } of accesses) {
          const at = byte & ~(width - 1)
          const offset = dword * 4 + at
          const address = (bus << 20) | (device << 15) | (fn << 12) | offset
          const select = (0x8000_0000 | (bus << 16) | (device << 11) | (fn << 8) | (dword * 4)) >>> 0
          ports.write(0, 4, select)
          if (write) {
            if (byEcam) ecam.write(address, width, value)
            else ports.write(4 + at, width, value)
            other.configWrite(bus, device, fn, offset, width, value)
          }
          const read = other.configRead(bus, device, fn, offset, width)
          expected.push(read, read)
          seen.push(ports.read(4 + at, width), ecam.read(address, width))
        }
        expect(seen).toEqual(expected)
      }),
      { numRuns },
    )
  })
})

describe('requester IDs at the root complex', () => {
  it('are a function’s own below root ports', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    const device = new Endpoint()
    complex.attach(port, { device: 2 })
    complex.attach(device, { bus: port.secondary, device: 0 })
    programBridge(port, { secondary: 3, subordinate: 3 })
    expect(formatBdf(complex.sourceIdOf(device))).toBe('0000:03:00.0')
  })

  it('are the secondary bus’s below a PCI Express to PCI bridge, and that bridge’s own below some others', () => {
    const complex = new RootComplex()
    const expressToPci = new Bridge({ ...bridgeIds, requesterNaming: 'secondary-bus' })
    const nested = new Bridge(bridgeIds)
    const dmiToPci = new Bridge({ ...bridgeIds, requesterNaming: 'bridge' })
    const devices = [new Endpoint(), new Endpoint(), new Endpoint()] as const
    complex.attach(expressToPci, { device: 5 })
    complex.attach(nested, { bus: expressToPci.secondary, device: 7 })
    complex.attach(dmiToPci, { device: 9 })
    complex.attach(devices[0], { bus: expressToPci.secondary, device: 1 })
    complex.attach(devices[1], { bus: nested.secondary, device: 2 })
    complex.attach(devices[2], { bus: dmiToPci.secondary, device: 1 })
    programBridge(expressToPci, { secondary: 5, subordinate: 6 })
    programBridge(nested, { secondary: 6, subordinate: 6 })
    programBridge(dmiToPci, { secondary: 0xc, subordinate: 0xc })
    expect(devices.map((device) => formatBdf(complex.sourceIdOf(device)))).toEqual([
      '0000:05:00.0',
      '0000:05:00.0',
      '0000:00:09.0',
    ])
    expect(formatBdf(complex.requesterIdOf(devices[1]))).toBe('0000:06:02.0')
    expect(complex.bridgesAbove(devices[1])).toEqual([expressToPci, nested])
  })
})

describe('the way up', () => {
  it('masters only where every bridge on it may', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    const device = new Endpoint()
    complex.attach(port, { device: 2 })
    complex.attach(device, { bus: port.secondary, device: 0 })
    expect(complex.busMasterPath(device)).toBe(false)
    device.config.write(0x04, 2, 4)
    expect(complex.busMasterPath(device)).toBe(false)
    port.config.write(0x04, 2, 4)
    expect(complex.busMasterPath(device)).toBe(true)
  })

  it('turns interrupt pins by device number at each bridge', () => {
    const complex = new RootComplex()
    const bridge = new Bridge(bridgeIds)
    const device = new Endpoint({ interruptPin: 4 })
    complex.attach(bridge, { device: 9 })
    complex.attach(device, { bus: bridge.secondary, device: 2 })
    expect(complex.rootInterruptOf(device)).toEqual({ bus: complex.rootBus, device: 9, pin: 2 })
    expect(complex.rootInterruptOf(bridge)).toBeNull()
  })

  it('is reset from above: Secondary Bus Reset reaches everything below, once per edge', () => {
    const complex = new RootComplex()
    const port = new RootPort()
    const device = new Endpoint()
    complex.attach(port, { device: 2 })
    complex.attach(device, { bus: port.secondary, device: 0 })
    port.config.write(0x3e, 2, 0x0040)
    port.config.write(0x3e, 2, 0x0042)
    expect(device.resets).toEqual(['bus'])
    port.config.write(0x3e, 2, 0)
    port.config.write(0x3e, 2, 0x0040)
    expect(device.resets).toEqual(['bus', 'bus'])
  })
})
