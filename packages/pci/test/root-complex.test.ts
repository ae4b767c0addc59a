import { Bridge, RootComplex, RootPort } from '@dmascope/pci'
import { formatBdf } from '@dmascope/pci/spec'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bridgeIds, programBridge } from './bridges.ts'
import { Endpoint } from './endpoint.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

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
