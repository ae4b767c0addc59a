import type { ConfigSpace } from '@dmascope/pci'
import { VirtioPciFunction, type VirtioPciOptions } from '@dmascope/virtio-pci'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bench } from './bench-function.ts'
import { EchoDevice } from './echo-device.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

const make = (options: Partial<VirtioPciOptions> = {}, type = 2, configSize = 60): ConfigSpace =>
  new VirtioPciFunction({
    legacy: false,
    modern: true,
    accessPlatform: false,
    vectors: 2,
    ...options,
    device: new EchoDevice(type, configSize),
  }).config

/** Both chains as lspci would walk them: `11@98`, `x000f@100`. */
function chainOf(config: ConfigSpace): string[] {
  const found: string[] = []
  for (let at = config.read(0x34, 1); at !== 0 && found.length < 48; at = config.read(at + 1, 1)) {
    found.push(`${config.read(at, 1).toString(16).padStart(2, '0')}@${at.toString(16)}`)
  }
  if (config.size === 4096 && config.read(0x100, 4) !== 0) {
    found.push(`x${config.read(0x100, 2).toString(16).padStart(4, '0')}@100`)
  }
  return found
}
const barSizes = (config: ConfigSpace): string[] => config.bars.map(({ bar, size }) => `${bar}:${size.toString(16)}`)

const legacyOnly = { legacy: true, modern: false } as const
const transitional = { legacy: true, modern: true } as const

describe('identity, as captured from QEMU', () => {
  it.each([
    ['blk', 2, 0x1001, 0x010000],
    ['net', 1, 0x1000, 0x020000],
    ['rng', 4, 0x1005, 0x00ff00],
    ['console', 3, 0x1003, 0x078000],
    ['balloon', 5, 0x1002, 0x00ff00],
  ] as const)('%s: transitional, and modern', (_name, type, transitionalId, classCode) => {
    const old = make(transitional, type)
    expect(old.read(0x00, 4)).toBe(((transitionalId << 16) | 0x1af4) >>> 0)
    expect(old.read(0x08, 4)).toBe((classCode << 8) >>> 0)
    expect(old.read(0x2c, 4)).toBe((type << 16) | 0x1af4)
    const modern = make({}, type)
    expect(modern.read(0x00, 4)).toBe((((0x1040 + type) << 16) | 0x1af4) >>> 0)
    expect(modern.read(0x08, 4)).toBe(((classCode << 8) | 1) >>> 0)
    expect(modern.read(0x2c, 4)).toBe(0x1100_1af4)
    expect(modern.read(0x3d, 1)).toBe(1)
  })

  it('has the captured capability chains', () => {
    expect(chainOf(make())).toEqual(['11@98', '09@84', '09@70', '09@60', '09@50', '09@40'])
    expect(chainOf(make(transitional))).toEqual(['11@98', '09@84', '09@70', '09@60', '09@50', '09@40'])
    expect(chainOf(make(legacyOnly))).toEqual(['11@40'])
    expect(chainOf(make({ vectors: 0 }, 23))).toEqual(['09@84', '09@70', '09@60', '09@50', '09@40'])
    const express = ['11@dc', '09@c8', '09@b4', '09@a4', '09@94', '09@84', '01@7c', '10@40']
    expect(chainOf(make({ expressPort: true }))).toEqual(express)
    expect(chainOf(make({ expressPort: true, ats: true }))).toEqual([...express, 'x000f@100'])
  })

  it('has no ATS on a root bus, where it is no PCI Express function', () => {
    const config = make({ ats: true })
    expect(config.size).toBe(256)
    expect(make({ expressPort: true }).size).toBe(4096)
    expect(make({ ...legacyOnly, expressPort: true }).size).toBe(256)
  })

  it('has the captured BARs', () => {
    expect(barSizes(make())).toEqual(['1:1000', '4:4000'])
    expect(barSizes(make(transitional))).toEqual(['0:80', '1:1000', '4:4000'])
    expect(barSizes(make(legacyOnly, 4, 0))).toEqual(['0:20', '1:1000'])
    expect(barSizes(make({ ...legacyOnly, romSize: 0x4_0000 }, 1, 8))).toEqual(['0:20', '1:1000', '6:40000'])
    expect(barSizes(make({ vectors: 0 }))).toEqual(['4:4000'])
    expect(make().read(0x20, 4)).toBe(0xc)
  })

  it('§4.1.4 tells where the structures are: common, ISR, device, notify', () => {
    const config = make()
    const places = [0x40, 0x50, 0x60, 0x70].map((at) => [
      config.read(at + 2, 1),
      config.read(at + 3, 1),
      config.read(at + 4, 1),
      config.read(at + 8, 4),
      config.read(at + 12, 4),
    ])
    expect(places).toEqual([
      [16, 1, 4, 0x0000, 0x1000],
      [16, 3, 4, 0x1000, 0x1000],
      [16, 4, 4, 0x2000, 0x1000],
      [20, 2, 4, 0x3000, 0x1000],
    ])
    expect(config.read(0x70 + 16, 4)).toBe(4)
  })
})

describe('options', () => {
  it('that cannot go together are refused', () => {
    expect(() => make({ ...legacyOnly, accessPlatform: true })).toThrow(RangeError)
    expect(() => make({ modern: false })).toThrow(/neither/)
    expect(() => make(transitional, 23)).toThrow(/type 23 has no legacy interface/)
    expect(() => make({ vectors: 4096 })).toThrow(/2048/)
  })
})

describe('any accesses by a driver', () => {
  const access = fc.record({
    bar: fc.constantFrom(0, 1, 4, 6),
    // The registers are few; most accesses should find one.
    offset: fc.oneof(
      fc.nat(0x40),
      fc.nat(0x40),
      fc.constantFrom(0x14, 0x16, 0x18, 0x1c, 0x3a, 0x800, 0x1000, 0x2000, 0x203c, 0x3000, 0x3004),
      fc.nat(0x4004),
    ),
    width: fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>,
    value: fc.oneof(fc.constantFrom(0, 1, 3, 7, 0xb, 0xf, 16), fc.integer({ min: 0, max: 0xffff_ffff })),
  })

  it('never throw, and leave numbers that a bus can carry', () => {
    fc.assert(
      fc.property(
        fc.array(access, { maxLength: 20 }),
        fc.constantFrom(legacyOnly, transitional, { accessPlatform: true }, { expressPort: true, vectors: 0 }),
        (accesses, options) => {
          const bench = new Bench(options)
          let worst = 0
          for (const { bar, offset, width, value } of accesses) {
            bench.write(bar, offset, width, value)
            const seen = bench.read(bar, offset, width)
            if (!Number.isInteger(seen) || seen < 0 || seen > 2 ** (8 * width) - 1) worst = seen
            bench.function.work(2)
          }
          expect(worst).toBe(0)
          expect(bench.function.negotiatedFeatures.hi & ~bench.function.offeredFeatures.hi).toBe(0)
        },
      ),
      { numRuns },
    )
  })

  it('may mix both interfaces: a queue of 5 entries has no legacy layout', () => {
    const bench = new Bench(transitional)
    bench.write(4, 0x18, 2, 5)
    bench.write(0, 0x08, 4, 16)
    expect(bench.read(0, 0x08, 4)).toBe(0)
  })

  it('while it runs, with anything in its rings, never throw, and a stopped device does not hear its doorbell', () => {
    fc.assert(
      fc.property(
        fc.array(access, { maxLength: 6 }),
        fc.array(fc.tuple(fc.nat(0x20ff), fc.nat(0xffff)), { maxLength: 24 }),
        (accesses, ring) => {
          const bench = new Bench()
          bench.write(4, 0x08, 4, 1)
          bench.write(4, 0x0c, 4, 1)
          bench.write(4, 0x14, 1, 0x0b)
          // Queue 0, 16 entries: descriptors at 0x1000, rings at 0x2000 and 0x3000.
          bench.write(4, 0x18, 2, 16)
          for (const [at, value] of [
            [0x20, 0x1000],
            [0x28, 0x2000],
            [0x30, 0x3000],
          ] as const) {
            bench.write(4, at, 4, value)
          }
          bench.write(4, 0x1c, 2, 1)
          bench.write(4, 0x14, 1, 0x0f)
          for (const [at, value] of ring) bench.bus.write16(0x1000 + (at & 0x10fe), value)
          bench.bus.write16(0x2002, 1 + (ring.length % 16))
          for (const { bar, offset, width, value } of accesses) {
            bench.write(4, 0x3000, 2, 0)
            bench.function.work(4)
            bench.write(bar, offset, width, value)
          }
          // With DRIVER_OK taken away or a reset needed, it does nothing more.
          const stopped = (bench.function.status & 4) === 0 || bench.function.brokenReason !== null
          const before = bench.device.notified.length
          bench.write(4, 0x3000, 2, 0)
          expect(bench.device.notified.length - before).toBe(stopped || !bench.device.queues[0] ? 0 : 1)
        },
      ),
      { numRuns },
    )
  })
})
