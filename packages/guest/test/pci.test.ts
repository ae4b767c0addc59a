import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readBars } from '../src/pci/bars.ts'
import { readCapabilities, readExtendedCapabilities } from '../src/pci/capabilities.ts'
import { ConfigAccess } from '../src/pci/config-access.ts'
import { enumerate } from '../src/pci/enumerate.ts'
import { enableDevice, setMaster } from '../src/pci/pci-function.ts'
import { ConfigBytes, configBus, endpoint } from './support/config-bus.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const silent = (): void => {}
const AT = { segment: 0, bus: 0, device: 3, function: 0 }
const BUS_0 = { segment: 0, bus: 0 }
const ECAM = { base: 0xb000_0000, segment: 0, startBus: 0, endBus: 255 }

describe('configuration access', () => {
  it('takes CF8 and CFC for the first 256 bytes of segment 0, ECAM for the rest', () => {
    const one = endpoint().set(0x44, 4, 0x1122_3344).set(0x100, 4, 0x1401_0001)
    const config = new ConfigAccess(configBus({ '0:3.0': one }, { ecam: ECAM.base }), [ECAM])
    expect(config.mechanism).toBe('type 1')
    expect(config.read(AT, 0x44, 4)).toBe(0x1122_3344)
    expect(config.read(AT, 0x46, 2)).toBe(0x1122)
    expect(config.read(AT, 0x47, 1)).toBe(0x11)
    expect(config.read(AT, 0x100, 4)).toBe(0x1401_0001)
  })

  it('takes ECAM for all where there are no ports, and all ones where there is neither', () => {
    const functions = { '0:3.0': endpoint() }
    const ecam = new ConfigAccess(configBus(functions, { ports: false, ecam: ECAM.base }), [ECAM])
    expect(ecam.mechanism).toBe('ECAM')
    expect(ecam.read(AT, 0, 4)).toBe(0x1042_1af4)
    const none = new ConfigAccess(configBus(functions, { ports: false }), [])
    expect(none.mechanism).toBe('none')
    expect(none.read(AT, 0, 2)).toBe(0xffff)
    expect(none.read(AT, 0x100, 4)).toBe(0xffff_ffff)
  })
})

describe('BARs', () => {
  it('are sized with decoding off, and put back', () => {
    const one = endpoint()
      .bar(0, 0x80, 1, 0xc000)
      .bar(1, 0x1000, 0, 0xfebc_9000)
      .bar(4, 0x4000, 0x0c, 0xfebe_c000)
      .allow(0x10, 4, 0xffff_ff80)
      .set(4, 2, 0x0107)
    one.allow(0x24, 4, 0xffff_ffff)
    const bus = configBus({ '0:3.0': one })
    const before = Uint8Array.from(one.bytes)
    const config = new ConfigAccess(bus, [])
    expect(readBars(config, AT, 6)).toEqual([
      { index: 0, kind: 'io', base: 0xc000, size: 0x80 },
      { index: 1, kind: 'memory', base: 0xfebc_9000, size: 0x1000 },
      { index: 4, kind: 'memory', base: 0xfebe_c000, size: 0x4000 },
    ])
    expect(one.bytes).toEqual(before)
  })

  it('of 64 bits may lie above 4 GiB, and may not start in the last one', () => {
    const high = endpoint().bar(2, 0x1000, 0x0c, 0).set(0x1c, 4, 9).allow(0x1c, 4, 0xffff_ffff)
    expect(readBars(new ConfigAccess(configBus({ '0:3.0': high }), []), AT, 6)).toEqual([
      { index: 2, kind: 'memory', base: 0x9_0000_0000, size: 0x1000 },
    ])
    const last = endpoint().bar(5, 0x1000, 0x0c, 0xfe00_0000)
    expect(readBars(new ConfigAccess(configBus({ '0:3.0': last }), []), AT, 6)).toEqual([
      { index: 5, kind: 'memory', base: 0xfe00_0000, size: 0x1000 },
    ])
  })

  it('that read all ones, or keep nothing, are none', () => {
    const gone = endpoint().set(0x10, 4, 0xffff_ffff)
    expect(readBars(new ConfigAccess(configBus({ '0:3.0': gone }), []), AT, 6)).toEqual([])
  })
})

describe('capabilities', () => {
  const withList = (chain: readonly (readonly [number, number, number])[]): ConfigAccess => {
    const one = endpoint().set(6, 2, 0x10).set(0x34, 1, chain[0]![0])
    for (const [offset, id, next] of chain) one.set(offset, 1, id).set(offset + 1, 1, next)
    return new ConfigAccess(configBus({ '0:3.0': one }), [])
  }

  it('keep the order of their chain', () => {
    const config = withList([
      [0x98, 0x11, 0x84],
      [0x84, 0x09, 0x70],
      [0x70, 0x09, 0],
    ])
    expect(readCapabilities(config, AT)).toEqual([
      { id: 0x11, offset: 0x98 },
      { id: 0x09, offset: 0x84 },
      { id: 0x09, offset: 0x70 },
    ])
  })

  it.each([
    ['that point at themselves', [[0x40, 9, 0x40]], 1],
    [
      'that go in a circle',
      [
        [0x40, 9, 0x50],
        [0x50, 9, 0x40],
      ],
      2,
    ],
    ['that point into the header', [[0x40, 9, 0x10]], 1],
    ['that start in the header', [[0x10, 9, 0x40]], 0],
    ['with an ID of all ones', [[0x40, 0xff, 0x50]], 0],
  ] as const)('%s end', (_, chain, found) => {
    expect(readCapabilities(withList(chain), AT)).toHaveLength(found)
  })

  it('are none where Status says so', () => {
    const one = endpoint().set(0x34, 1, 0x40).set(0x40, 1, 9)
    expect(readCapabilities(new ConfigAccess(configBus({ '0:3.0': one }), []), AT)).toEqual([])
  })

  it('in extended space end at the first nonsense', () => {
    const one = endpoint().set(0x100, 4, 0x1401_0001).set(0x140, 4, 0x1400_0003)
    const config = new ConfigAccess(configBus({ '0:3.0': one }, { ecam: ECAM.base }), [ECAM])
    expect(readExtendedCapabilities(config, AT)).toEqual([
      { id: 1, offset: 0x100 },
      { id: 3, offset: 0x140 },
    ])
    expect(readExtendedCapabilities(new ConfigAccess(configBus({ '0:3.0': one }), []), AT)).toEqual([])
  })
})

/** A bridge with these bus numbers. */
const bridge = (primary: number, secondary: number, subordinate: number): ConfigBytes =>
  endpoint(0x000c_1b36, 1).set(0x18, 4, primary | (secondary << 8) | (subordinate << 16))

const ids = (functions: Readonly<Record<string, ConfigBytes>>, log = silent): string[] =>
  enumerate(new ConfigAccess(configBus(functions, { ecam: ECAM.base }), [ECAM]), [BUS_0], false, log).map(
    ({ id }) => id,
  )

describe('enumeration', () => {
  it('goes depth first: a bus, then what lies below its bridges', () => {
    const found = ids({
      '0:0.0': endpoint(),
      '0:2.0': bridge(0, 1, 2),
      '0:3.0': bridge(0, 3, 3),
      '0:4.0': endpoint(),
      '1:0.0': bridge(1, 2, 2),
      '2:5.0': endpoint(),
      '3:1.0': endpoint(),
    })
    expect(found).toEqual([
      '0000:00:00.0',
      '0000:00:02.0',
      '0000:00:03.0',
      '0000:00:04.0',
      '0000:01:00.0',
      '0000:02:05.0',
      '0000:03:01.0',
    ])
  })

  it('looks at functions 1 to 7 of multi-function devices alone', () => {
    expect(ids({ '0:3.0': endpoint(), '0:3.1': endpoint() })).toEqual(['0000:00:03.0'])
    const several = { '0:1f.0': endpoint(), '0:31.0': endpoint(0x2918_8086, 0x80), '0:31.2': endpoint() }
    expect(ids(several)).toEqual(['0000:00:1f.0', '0000:00:1f.2'])
    expect(ids({ '0:3.1': endpoint(0x1042_1af4, 0x80) })).toEqual([])
  })

  it('looks for one device below a root port', () => {
    const port = bridge(0, 1, 1).set(6, 2, 0x10).set(0x34, 1, 0x40).set(0x40, 4, 0x0042_0010)
    expect(ids({ '0:2.0': port, '1:0.0': endpoint(), '1:1.0': endpoint() })).toEqual(['0000:00:02.0', '0000:01:00.0'])
  })

  it.each([
    ['to its own bus', bridge(0, 0, 0)],
    ['to a lower bus than its limit', bridge(0, 2, 1)],
    ['with another primary bus', bridge(5, 1, 1)],
    ['that firmware never numbered', bridge(0, 0, 0)],
  ])('does not scan behind a bridge %s', (_, one) => {
    const lines: string[] = []
    const found = ids({ '0:2.0': one, '1:0.0': endpoint(), '2:0.0': endpoint() }, (line?: string) => lines.push(line!))
    expect(found).toEqual(['0000:00:02.0'])
    expect(lines.join('\n')).toContain('makes no sense')
  })

  it('scans no bus twice, however bridges point', () => {
    const found = ids({ '0:2.0': bridge(0, 1, 9), '0:3.0': bridge(0, 1, 9), '1:0.0': endpoint() })
    expect(found).toEqual(['0000:00:02.0', '0000:00:03.0', '0000:01:00.0'])
  })

  it('enables Access Control Services only where an IOMMU is going to be used', () => {
    const make = (): ConfigBytes =>
      endpoint()
        .set(6, 2, 0x10)
        .set(0x34, 1, 0x40)
        .set(0x40, 4, 0x0092_0010)
        .set(0x100, 4, 0x0001_000d)
        .set(0x104, 2, 0x001d)
        .allow(0x106, 2, 0x001d)
    const scan = (enable: boolean) =>
      enumerate(new ConfigAccess(configBus({ '0:3.0': make() }, { ecam: ECAM.base }), [ECAM]), [BUS_0], enable, silent)
    expect(scan(false)[0]?.acs).toEqual({ capability: 0x1d, control: 0 })
    expect(scan(true)[0]?.acs).toEqual({ capability: 0x1d, control: 0x1d })
  })

  it('an Intel 100 series root port has its ACS control register two bytes on', () => {
    const make = (device: number): ConfigBytes =>
      endpoint((device << 16) | 0x8086)
        .set(0x06, 2, 0x0010)
        .set(0x34, 1, 0x40)
        // PCI Express, a root port.
        .set(0x40, 4, 0x0042_0010)
        .set(0x100, 4, 0x0001_000d)
        .set(0x104, 4, 0x000f)
        .set(0x108, 4, 0x10)
        .allow(0x106, 2, 0xffff)
        .allow(0x108, 4, 0xff)
    const scan = (port: ConfigBytes, enable: boolean) => {
      const bus = configBus({ '0:28.0': port }, { ecam: ECAM.base })
      return enumerate(new ConfigAccess(bus, [ECAM]), [BUS_0], enable, silent)[0]?.acs
    }
    const port = make(0xa110)
    expect(scan(port, false)).toEqual({ capability: 0xf, control: 0x10 })
    // Source validation and both redirects of what it offers; what else stood there stays.
    expect(scan(port, true)).toEqual({ capability: 0xf, control: 0x1d })
    expect([port.bytes[0x106], port.bytes[0x108]]).toEqual([0, 0x1d])
    const other = make(0xa120)
    expect(scan(other, true)).toEqual({ capability: 0xf, control: 0xd })
    expect([other.bytes[0x106], other.bytes[0x108]]).toEqual([0xd, 0x10])
  })

  it('always ends, and finds nothing twice, whatever configuration space holds', () => {
    const space = fc.uint8Array({ minLength: 64, maxLength: 96 })
    const place = fc.tuple(fc.nat(3), fc.nat(4), fc.nat(1), space)
    fc.assert(
      fc.property(fc.array(place, { maxLength: 8 }), (places) => {
        const functions: Record<string, ConfigBytes> = {}
        for (const [bus, device, fn, bytes] of places) {
          const one = new ConfigBytes().allow(0x10, 4, 0xffff_f000)
          one.bytes.set(bytes)
          functions[`${bus}:${device}.${fn}`] = one
        }
        const found = ids(functions)
        expect(new Set(found).size).toBe(found.length)
      }),
      { numRuns },
    )
  })
})

describe('enabling', () => {
  it('turns on what the BARs need, and bridges above as bus masters', () => {
    const port = bridge(0, 1, 1)
    const below = endpoint().bar(0, 0x1000, 0, 0xfe00_0000)
    const config = new ConfigAccess(configBus({ '0:2.0': port, '1:0.0': below }), [])
    const [, fn] = enumerate(config, [BUS_0], false, silent)
    enableDevice(config, fn!)
    expect(below.bytes[4]).toBe(2)
    expect(port.bytes[4]).toBe(7)
    setMaster(config, fn!)
    expect(below.bytes[4]).toBe(6)
  })
})
