import { Bridge, ROM_BAR, RootComplex, RootPort } from '@dmascope/pci'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bridgeIds, programBridge } from './bridges.ts'
import { Endpoint } from './endpoint.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

function memoryDevice(address: number, size = 0x1000): Endpoint {
  const device = new Endpoint({ size: 4096, bars: [{ bar: 0, kind: 'memory64', size }] })
  device.config.write(0x10, 4, address % 2 ** 32)
  device.config.write(0x14, 4, Math.floor(address / 2 ** 32))
  device.config.write(0x04, 2, 0x0006)
  return device
}

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
