import { ConfigSpace, type ConfigSpaceOptions, ROM_BAR, readOnlyImage } from '@dmascope/pci'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chainOf } from './capability-chain.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const identity = { vendorId: 0x1af4, deviceId: 0x1042, classCode: 0x010000, revisionId: 1 } as const
const make = (more: Partial<ConfigSpaceOptions> = {}): ConfigSpace => new ConfigSpace({ ...identity, ...more })
const bytes = (size: number, value = 0): ReturnType<typeof readOnlyImage> =>
  readOnlyImage(new Uint8Array(size).fill(value))

describe('the header', () => {
  it('has identity where the specification puts it', () => {
    const config = make({ subsystemVendorId: 0x1af4, subsystemId: 0x1100, interruptPin: 1, multifunction: true })
    expect(config.read(0x00, 4)).toBe(0x1042_1af4)
    expect(config.read(0x08, 4)).toBe(0x0100_0001)
    expect(config.read(0x0e, 1)).toBe(0x80)
    expect(config.read(0x2c, 4)).toBe(0x1100_1af4)
    expect(config.read(0x3c, 2)).toBe(0x0100)
  })

  it('is type 1 for a bridge, with bus numbers to write', () => {
    const config = make({ headerType: 1 })
    config.write(0x18, 4, 0x00_05_03_01)
    expect(config.read(0x0e, 1)).toBe(1)
    expect(config.read(0x18, 4)).toBe(0x00_05_03_01)
  })

  it('§7.5.1.1.3 takes only the Command bits that an Express function has', () => {
    const config = make()
    config.write(0x04, 2, 0xffff)
    expect(config.read(0x04, 2)).toBe(0x0507)
    expect([config.busMasterEnabled, config.memoryEnabled, config.ioEnabled, config.interruptDisabled]).toEqual([
      true,
      true,
      true,
      true,
    ])
    config.write(0x04, 1, 0)
    expect(config.read(0x04, 2)).toBe(0x0500)
    expect([config.busMasterEnabled, config.interruptDisabled]).toEqual([false, true])
  })

  it('§7.5.1.1.4 clears error bits of Status where a one is written, and no others', () => {
    const config = make()
    config.poke(0x06, 2, 0xf910)
    config.write(0x06, 2, 0x4010)
    expect(config.read(0x06, 2)).toBe(0xb910)
    config.setInterruptStatus(true)
    expect(config.read(0x06, 2)).toBe(0xb918)
    config.write(0x06, 2, 0xffff)
    expect(config.read(0x06, 2)).toBe(0x0018)
  })

  it('reads as all ones outside the space and drops writes there', () => {
    const config = make()
    expect(config.read(0x100, 4)).toBe(0xffff_ffff)
    expect(config.read(0xff, 2)).toBe(0xffff)
    config.write(0x100, 4, 1)
    expect(make({ size: 4096 }).read(0x100, 4)).toBe(0)
  })
})

describe('§7.5.1.2.1 sizing a BAR', () => {
  const sized = (config: ConfigSpace, offset: number): number => {
    config.write(offset, 4, 0xffff_ffff)
    return config.read(offset, 4)
  }

  it('32-bit memory', () => {
    const config = make({ bars: [{ bar: 1, kind: 'memory32', size: 0x1000 }] })
    expect(sized(config, 0x14)).toBe(0xffff_f000)
    expect(sized(config, 0x10)).toBe(0)
  })

  it('64-bit prefetchable memory: the upper half is all address', () => {
    const config = make({ bars: [{ bar: 4, kind: 'memory64', size: 0x4000, prefetchable: true }] })
    expect(config.read(0x20, 4)).toBe(0x0000_000c)
    expect(sized(config, 0x20)).toBe(0xffff_c00c)
    expect(sized(config, 0x24)).toBe(0xffff_ffff)
  })

  it('64-bit memory of 32 GiB: the size is in the upper half', () => {
    const config = make({ bars: [{ bar: 0, kind: 'memory64', size: 2 ** 35 }] })
    expect(sized(config, 0x10)).toBe(0x0000_0004)
    expect(sized(config, 0x14)).toBe(0xffff_fff8)
  })

  it('I/O', () => {
    const config = make({ bars: [{ bar: 0, kind: 'io', size: 0x80 }] })
    expect(sized(config, 0x10)).toBe(0xffff_ff81)
  })

  it('expansion ROM, at 0x30 in a device and 0x38 in a bridge', () => {
    expect(sized(make({ romSize: 0x40000 }), 0x30)).toBe(0xfffc_0001)
    expect(sized(make({ romSize: 0x800, headerType: 1 }), 0x38)).toBe(0xffff_f801)
  })

  it('refuses what does not fit, naming it', () => {
    expect(() => make({ bars: [{ bar: 5, kind: 'memory64', size: 16 }] })).toThrow(/BAR 5.*does not fit/)
    expect(() => make({ headerType: 1, bars: [{ bar: 2, kind: 'io', size: 16 }] })).toThrow(/BARs 0 to 1/)
    expect(() => make({ bars: [{ bar: 0, kind: 'memory32', size: 0x1800 }] })).toThrow(/power of two/)
    expect(() =>
      make({
        bars: [
          { bar: 0, kind: 'memory64', size: 16 },
          { bar: 1, kind: 'io', size: 16 },
        ],
      }),
    ).toThrow(/upper half/)
    expect(() => make({ size: 512 as 256 })).toThrow(/256 or 4096/)
  })
})

describe('what a BAR decodes', () => {
  it('follows address and Memory Space Enable', () => {
    const config = make({ bars: [{ bar: 4, kind: 'memory64', size: 0x4000 }] })
    config.write(0x20, 4, 0xfebe_8000)
    config.write(0x24, 4, 0x12)
    expect(config.bars[0]?.address).toBeNull()
    config.write(0x04, 2, 0x0002)
    expect(config.bars[0]?.address).toBe(0x12_febe_8000)
    config.write(0x04, 2, 0)
    expect(config.bars[0]?.address).toBeNull()
  })

  it('is nothing at address 0, unless the machine says so, nor after a sizing write', () => {
    const bars = [{ bar: 0, kind: 'memory32', size: 0x1000 }] as const
    const config = make({ bars })
    config.write(0x04, 2, 2)
    expect(config.bars[0]?.address).toBeNull()
    config.write(0x10, 4, 0xffff_ffff)
    expect(config.bars[0]?.address).toBeNull()
    const elsewhere = make({ bars, decodeAddressZero: true })
    elsewhere.write(0x04, 2, 2)
    expect(elsewhere.bars[0]?.address).toBe(0)
  })

  it('needs both enables for the ROM', () => {
    const config = make({ romSize: 0x800 })
    config.write(0x30, 4, 0xfeb0_0000)
    config.write(0x04, 2, 2)
    expect(config.bars[0]).toMatchObject({ bar: ROM_BAR, address: null })
    config.write(0x30, 4, 0xfeb0_0001)
    expect(config.bars[0]?.address).toBe(0xfeb0_0000)
  })

  it('tells when what it decodes has changed, and at no other write', () => {
    const config = make({ bars: [{ bar: 0, kind: 'io', size: 0x20 }] })
    let changes = 0
    config.onDecodeChange(() => changes++)
    config.write(0x10, 4, 0xc001)
    expect(changes).toBe(0)
    config.write(0x04, 1, 1)
    expect(changes).toBe(1)
    config.write(0x3c, 1, 11)
    config.write(0x04, 2, 5)
    config.write(0x10, 4, 0xc001)
    expect(changes).toBe(1)
    config.write(0x10, 4, 0xd001)
    expect(changes).toBe(2)
    expect(config.bars[0]?.address).toBe(0xd000)
    config.reset()
    expect(changes).toBe(3)
    expect(config.bars[0]?.address).toBeNull()
  })

  it('tells of a change of what a bridge forwards: enables, bus numbers, windows, control', () => {
    const config = make({ headerType: 1 })
    let changes = 0
    config.onDecodeChange(() => changes++)
    for (const [offset, width, value] of [
      [0x04, 2, 0x0003],
      [0x19, 1, 0x01],
      [0x20, 4, 0xfea0_fe80],
      [0x3e, 2, 0x0008],
    ] as const) {
      const before = changes
      config.write(offset, width, value)
      expect(changes, `0x${offset.toString(16)}`).toBe(before + 1)
      config.write(offset, width, value)
      expect(changes, `0x${offset.toString(16)}, again`).toBe(before + 1)
    }
    config.write(0x04, 2, 0x0007)
    expect(changes).toBe(4)
  })
})

describe('capabilities', () => {
  it('chain with the last added first', () => {
    const config = make()
    for (const size of [16, 16, 16, 20, 20]) config.addCapability(0x09, bytes(size))
    config.addCapability(0x11, bytes(12))
    expect(chainOf(config)).toEqual(['11@98', '09@84', '09@70', '09@60', '09@50', '09@40'])
    expect(config.read(0x06, 2) & 0x10).toBe(0x10)
  })

  it('stand where they are put: the captured chains of e1000e and NVMe', () => {
    const e1000e = make({ size: 4096 })
    for (const [id, offset, size] of [
      [0x11, 0xa0, 12],
      [0x10, 0xe0, 20],
      [0x05, 0xd0, 14],
      [0x01, 0xc8, 8],
    ] as const) {
      e1000e.addCapability(id, bytes(size), offset)
    }
    e1000e.addExtendedCapability(0x0001, 2, bytes(0x40), 0x100)
    e1000e.addExtendedCapability(0x0003, 1, bytes(12), 0x140)
    expect(chainOf(e1000e)).toEqual(['01@c8', '05@d0', '10@e0', '11@a0', 'x0001@100', 'x0003@140'])
    expect(e1000e.read(0x100, 4)).toBe(0x1402_0001)

    const nvme = make({ size: 4096 })
    nvme.addCapability(0x01, bytes(8), 0x60)
    nvme.addCapability(0x10, bytes(0x3c), 0x80)
    nvme.addCapability(0x11, bytes(12), 0x40)
    expect(chainOf(nvme)).toEqual(['11@40', '10@80', '01@60'])
  })

  it('refuses an overlap, a place outside, and a chain of extended ones that starts late', () => {
    const config = make({ size: 4096 })
    config.addCapability(0x01, bytes(8), 0x40)
    expect(() => config.addCapability(0x05, bytes(14), 0x44)).toThrow(/overlap/)
    expect(() => config.addCapability(0x05, bytes(14), 0xf8)).toThrow(/do not fit/)
    expect(() => config.addCapability(0x05, bytes(14), 0x49)).toThrow(/unaligned/)
    expect(() => config.addExtendedCapability(0x0d, 1, bytes(8), 0x148)).toThrow(/first extended capability/)
    expect(() => make().addExtendedCapability(0x0d, 1, bytes(8), 0x100)).toThrow(RangeError)
    const full = make()
    expect(() => {
      for (let more = 0; more < 100; more++) full.addCapability(0x09, bytes(16))
    }).toThrow(/no room/)
  })

  it('are written by their own masks, and put back by a reset', () => {
    const config = make()
    const image = bytes(8)
    image.bytes[4] = 0x81
    image.writeMask[4] = 0x0f
    image.clearMask[4] = 0x80
    const at = config.addCapability(0x09, image)
    config.write(at + 4, 1, 0xfe)
    expect(config.read(at + 4, 1)).toBe(0x0e)
    config.write(0x04, 2, 7)
    config.reset()
    expect(config.read(at + 4, 1)).toBe(0x81)
    expect(config.read(0x04, 2)).toBe(0)
    expect(chainOf(config)).toEqual(['09@40'])
  })
})

describe('hooks', () => {
  it('run after a write and before a read that touches their bytes', () => {
    const config = make()
    config.addCapability(0x09, {
      bytes: new Uint8Array(8),
      writeMask: new Uint8Array(8).fill(0xff),
      clearMask: new Uint8Array(8),
    })
    const seen: number[] = []
    config.onWrite(0x44, 2, () => seen.push(config.peek(0x44, 2)))
    config.onRead(0x46, 1, () => config.poke(0x46, 1, 0x5a))
    config.write(0x44, 2, 0x1234)
    config.write(0x45, 1, 0xff)
    config.write(0x46, 2, 0)
    expect(seen).toEqual([0x1234, 0xff34])
    expect(config.read(0x44, 4)).toBe(0x005a_ff34)
    expect(config.read(0x47, 1)).toBe(0)
  })
})

describe('any writes by software', () => {
  const write = fc.record({
    offset: fc.oneof(fc.integer({ min: -4, max: 0x108 }), fc.integer({ min: -4, max: 0x1004 })),
    width: fc.constantFrom(1, 2, 4) as fc.Arbitrary<1 | 2 | 4>,
    value: fc.integer({ min: 0, max: 0xffff_ffff }),
  })

  it('leave read-only fields alone and never throw', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 10 }),
        fc.constantFrom(0, 1) as fc.Arbitrary<0 | 1>,
        (writes, headerType) => {
          const config = make({
            size: 4096,
            headerType,
            interruptPin: 1,
            romSize: 0x1000,
            bars: [{ bar: 0, kind: 'memory64', size: 0x4000 }],
          })
          config.addCapability(0x10, bytes(0x3c, 0xa5))
          config.addExtendedCapability(0x0d, 1, bytes(8, 0xa5), 0x100)
          // What software cannot change: identity, class, header type, capability pointer, pin, both capabilities.
          const fixed = [0x00, 0x02, 0x08, 0x0a, 0x34, 0x40, 0x42, 0x5c, 0x7a, 0x100, 0x104, 0x106]
          const fixedNow = (): number[] => fixed.map((at) => config.peek(at, 2)).concat(config.peek(0x3d, 1))
          const everything = (): string => Array.from({ length: 80 }, (_, dword) => config.peek(dword * 4, 4)).join()
          const fixedBefore = fixedNow()
          const before = everything()
          for (const { offset, width, value } of writes) {
            config.write(offset, width, value)
            config.read(offset, width)
          }
          expect(fixedNow()).toEqual(fixedBefore)
          const { address } = config.bars[0]!
          expect([config.peek(0x10, 2) & 0x3fff, (address ?? 0) % 0x4000]).toEqual([0x0004, 0])
          config.reset()
          expect(everything()).toBe(before)
        },
      ),
      { numRuns },
    )
  })
})
