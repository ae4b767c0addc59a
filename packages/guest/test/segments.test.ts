import {
  aml,
  buildDefinitionBlock,
  buildMcfg,
  type HostBridgeDescription,
  hostBridge,
  sdtHeader,
  toHex,
} from '@dmascope/acpi'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AcpiTables } from '../src/early/acpi-tables.ts'
import { readEcam } from '../src/early/ecam-windows.ts'
import { readPlatform } from '../src/early/platform.ts'
import { ConfigAccess, type EcamWindow } from '../src/pci/config-access.ts'
import { SparseBus } from './support/sparse-bus.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const silent = (): void => {}
const RESERVED = 2
const MIB = 0x10_0000
const GIB = 0x4000_0000

type Allocation = readonly [base: number, segment: number, first: number, last: number]

const mcfg = (allocations: readonly Allocation[]): Uint8Array =>
  buildMcfg({
    signature: 'MCFG',
    header: sdtHeader(1),
    allocations: allocations.map(([baseAddress, pciSegmentGroupNumber, startBusNumber, endBusNumber]) => ({
      baseAddress,
      pciSegmentGroupNumber,
      startBusNumber,
      endBusNumber,
    })),
  })

const bridge = (name: string, segment: number, bus: number, more: Partial<HostBridgeDescription> = {}): aml.Aml =>
  hostBridge({
    name,
    uid: 0,
    segment,
    bus,
    lastBus: 0xff,
    express: true,
    ports: [],
    memory: [],
    routing: [{ device: 2, pin: 0, gsi: 16 + segment }],
    ...more,
  })

const dsdt = (...bridges: readonly aml.Aml[]): Uint8Array =>
  buildDefinitionBlock({ signature: 'DSDT', header: sdtHeader(2), aml: toHex(aml.scope('\\_SB', ...bridges)) })

function tables(bytes: Readonly<Record<string, Uint8Array>>): AcpiTables {
  const found = Object.entries(bytes).map(([signature, table]) => ({
    signature,
    address: 0x10_0000,
    bytes: table,
    checksumRight: true,
  }))
  const find: AcpiTables['find'] = (signature) => found.find((one) => one.signature === signature) ?? null
  return { rsdp: 0, tables: found, ranges: [], find }
}

const windowsOf = (allocations: readonly Allocation[], reserved: readonly (readonly [number, number])[]): string[] =>
  readEcam(
    tables({ MCFG: mcfg(allocations) }),
    reserved.map(([base, length]) => ({ base, length, type: RESERVED })),
    silent,
  ).map(({ segment, base, startBus, endBus }) => `${segment}:${startBus}-${endBus} 0x${base.toString(16)}`)

describe('an MCFG', () => {
  it('is believed where the memory map reserves its windows, by segment and first bus', () => {
    expect(
      windowsOf(
        [
          [2 * GIB, 1, 0, 255],
          [3 * GIB, 0, 0, 255],
        ],
        [[2 * GIB, 2 * GIB]],
      ),
    ).toEqual(['0:0-255 0xc0000000', '1:0-255 0x80000000'])
  })

  it('is not believed at all where one window is not reserved (pci_mmcfg_reject_broken)', () => {
    expect(
      windowsOf(
        [
          [2 * GIB, 0, 0, 255],
          [3 * GIB, 1, 0, 255],
        ],
        [[2 * GIB, 256 * MIB]],
      ),
    ).toEqual([])
  })

  it('has a window cut in halves until the rest is reserved, down to 16 MiB (is_mmconf_reserved)', () => {
    expect(windowsOf([[2 * GIB, 0, 0, 255]], [[2 * GIB, 100 * MIB]])).toEqual(['0:0-63 0x80000000'])
    expect(windowsOf([[2 * GIB, 0, 0, 255]], [[2 * GIB, 15 * MIB]])).toEqual([])
    // Fewer buses than 16 have to be reserved as a whole.
    expect(windowsOf([[2 * GIB, 0, 0, 7]], [[2 * GIB, 8 * MIB]])).toEqual(['0:0-7 0x80000000'])
  })

  it('reaches a bus of two windows by the one that begins first; of two alike by the later', () => {
    const bus = new SparseBus()
    const write = (base: number, number: number, value: number): void => {
      bus.addMemory(base + number * MIB, 0x1000).write32(base + number * MIB, value)
    }
    const read = (allocations: readonly Allocation[], number: number): number => {
      const windows = readEcam(
        tables({ MCFG: mcfg(allocations) }),
        [{ base: 2 * GIB, length: GIB, type: RESERVED }],
        silent,
      )
      return new ConfigAccess(bus, windows).read({ segment: 1, bus: number, device: 0, function: 0 }, 0, 4)
    }
    const low: Allocation = [2 * GIB, 1, 0, 127]
    const high: Allocation = [2 * GIB + 512 * MIB, 1, 64, 255]
    const again: Allocation = [2 * GIB + 768 * MIB, 1, 0, 127]
    for (const [index, [base]] of [low, high, again].entries()) {
      write(base, 100, 0x1000_1af4 + index)
    }
    expect(read([high, low], 100)).toBe(0x1000_1af4)
    expect(read([low, again], 100)).toBe(0x1000_1af6)
  })

  it('keeps what is reserved, and no more, whatever it says', () => {
    const allocation = fc.tuple(
      fc.nat(64).map((at) => at * 64 * MIB),
      fc.nat(3),
      fc.nat(255),
      fc.nat(255),
    )
    const range = fc.tuple(
      fc.nat(64).map((at) => at * 64 * MIB),
      fc.nat(512).map((size) => size * MIB),
    )
    fc.assert(
      fc.property(
        fc.array(allocation, { maxLength: 6 }),
        fc.array(range, { maxLength: 3 }),
        (allocations, reserved) => {
          const map = reserved.map(([base, length]) => ({ base, length, type: RESERVED }))
          const windows: EcamWindow[] = readEcam(tables({ MCFG: mcfg(allocations) }), map, silent)
          for (const { base, segment, startBus, endBus } of windows) {
            expect(startBus).toBeLessThanOrEqual(endBus)
            const first = base + startBus * MIB
            const covered = map.some((one) => one.base <= first && first < one.base + one.length)
            expect(covered).toBe(true)
            expect(
              allocations.some(
                (one) => one[0] === base && one[1] === segment && one[2] === startBus && one[3] >= endBus,
              ),
            ).toBe(true)
          }
        },
      ),
      { numRuns },
    )
  })
})

describe('host bridges of several segments', () => {
  const MAP = [{ base: 2 * GIB, length: 2 * GIB, type: RESERVED }]
  const MCFG = mcfg([
    [2 * GIB, 0, 0, 255],
    [2 * GIB + 256 * MIB, 1, 0, 255],
  ])
  const platformOf = (...bridges: readonly aml.Aml[]) => {
    const lines: string[] = []
    const platform = readPlatform(tables({ MCFG, DSDT: dsdt(...bridges) }), MAP, (line) => lines.push(line))
    return { ...platform, lines }
  }

  it('are root buses of their own, with routes of their own', () => {
    const { rootBuses, pinRoutes } = platformOf(bridge('PCI0', 0, 0), bridge('PCI1', 1, 0))
    expect(rootBuses).toEqual([
      { segment: 0, bus: 0 },
      { segment: 1, bus: 0 },
    ])
    expect(pinRoutes).toEqual([
      { segment: 0, bus: 0, routes: [{ device: 2, pin: 0, gsi: 16 }] },
      { segment: 1, bus: 0, routes: [{ device: 2, pin: 0, gsi: 17 }] },
    ])
  })

  it('are left out where no configuration space leads to them, which ports do to segment 0 alone', () => {
    const { rootBuses, lines } = platformOf(bridge('PCI0', 0, 0), bridge('PCI2', 2, 0))
    expect(rootBuses).toEqual([{ segment: 0, bus: 0 }])
    expect(lines.join('\n')).toContain("\\_SB_.PCI2 (domain 0002): can't access configuration space")
  })

  it('count once for a bus, the first of the namespace', () => {
    const memory = (first: number): Partial<HostBridgeDescription> => ({ memory: [{ first, last: first + MIB - 1 }] })
    const { windows, lines } = platformOf(
      bridge('PCI0', 0, 0),
      bridge('PCI1', 1, 0, memory(0x1000_0000)),
      bridge('PCI2', 1, 0, memory(0x2000_0000)),
    )
    expect(windows.get(0x100)?.memory).toEqual({ base: 0x1000_0000, size: MIB })
    expect(lines.join('\n')).toContain('\\_SB_.PCI2 leads to bus 0001:00, which another does: not used')
  })

  it('come to an end whatever they say', () => {
    const described = fc.record({
      segment: fc.nat(0x1_0001),
      bus: fc.nat(0x101),
      ports: fc.array(
        fc.tuple(fc.nat(0xffff), fc.nat(0xffff)).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
        { maxLength: 2 },
      ),
      memory: fc.array(
        fc.tuple(fc.nat(2 ** 31), fc.nat(2 ** 31)).map(([a, b]) => ({ first: a * 4, last: a * 4 + b })),
        { maxLength: 3 },
      ),
    })
    fc.assert(
      fc.property(fc.array(described, { maxLength: 5 }), (all) => {
        const bridges = all.map((one, index) =>
          bridge(`PC${index.toString().padStart(2, '0')}`, one.segment, one.bus, { ...one, lastBus: 0xffff }),
        )
        const { rootBuses, windows, ecam } = platformOf(...bridges)
        expect(new Set(rootBuses.map(({ segment, bus }) => `${segment}:${bus}`)).size).toBe(rootBuses.length)
        for (const { segment, bus } of rootBuses) {
          expect(bus).toBeLessThanOrEqual(0xff)
          expect(segment === 0 || ecam.some((one) => one.segment === segment)).toBe(true)
        }
        expect(windows.size).toBeLessThanOrEqual(rootBuses.length)
      }),
      { numRuns: Math.min(numRuns, 1000) },
    )
  })
})
