import type { CpuBus } from '@dmascope/memory/contracts'
import { ConfigSpace, type PciBus, type PciFunction as PciModel, RootComplex, RootPort } from '@dmascope/pci'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AddressArena } from '../src/pci/address-arena.ts'
import { assignResources } from '../src/pci/assign-resources.ts'
import { ConfigAccess } from '../src/pci/config-access.ts'
import { enumerate } from '../src/pci/enumerate.ts'
import { numberBuses } from '../src/pci/number-buses.ts'
import { withPortWindow } from '../src/pci/port-window.ts'
import { SparseBus } from './support/sparse-bus.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const BUS_0 = { segment: 0, bus: 0 }
const ECAM = { base: 0x40_1000_0000, segment: 0, startBus: 0, endBus: 255 }
const WINDOWS = {
  ports: 0x1_0000,
  memory: { base: 0x1000_0000, size: 0x2eff_0000 },
  memory64: { base: 0x80_0000_0000, size: 0x80_0000_0000 },
}
const silent = (): void => {}

type Bars = ConstructorParameters<typeof ConfigSpace>[0]['bars']
const device = (bars: Bars): PciModel => ({
  config: new ConfigSpace({ vendorId: 0x1af4, deviceId: 0x1042, classCode: 0x01_0000, size: 256, bars: bars ?? [] }),
  connect() {},
  readBar(_bar, _offset, _width, out) {
    out.fill(0)
  },
  writeBar() {},
  work: () => 'idle',
  reset() {},
})
/** A virtio disk's, transitional. */
const VIRTIO: Bars = [
  { bar: 0, kind: 'io', size: 0x80 },
  { bar: 1, kind: 'memory32', size: 0x1000 },
  { bar: 4, kind: 'memory64', size: 0x4000, prefetchable: true },
]

/** Configuration space of a root complex, by ECAM alone. */
function configOf(root: RootComplex): ConfigAccess {
  const ecam = root.createEcam()
  const at = (address: number): number => address - ECAM.base
  const bus: CpuBus = {
    readBytes: (_address, into) => into.fill(0xff),
    writeBytes() {},
    nextInterrupt: () => -1,
    idle: () => true,
    read8: (address) => ecam.read(at(address), 1),
    read16: (address) => ecam.read(at(address), 2),
    read32: (address) => ecam.read(at(address), 4),
    write8: (address, value) => ecam.write(at(address), 1, value),
    write16: (address, value) => ecam.write(at(address), 2, value),
    write32: (address, value) => ecam.write(at(address), 4, value),
  }
  return new ConfigAccess(bus, [ECAM], false)
}

describe('bus numbers (pci_scan_bridge_extend, all reassigned)', () => {
  test('are given depth first, whatever was there', () => {
    const root = new RootComplex()
    const ports = [1, 2, 3].map((slot) => {
      const port = new RootPort({ slot })
      root.attach(port, { device: slot })
      return port
    })
    const below = new RootPort({ slot: 9 })
    root.attach(below, { bus: ports[0]!.secondary as PciBus, device: 0 })
    // What a firmware could have left: all alike.
    for (const port of ports) port.config.write(0x18, 4, 0x00_07_05_00)
    const config = configOf(root)
    expect(numberBuses(config, 0, 0, 255, silent)).toBe(4)
    const numbers = (one: RootPort): number[] => [0x18, 0x19, 0x1a].map((at) => one.config.read(at, 1))
    expect([...ports, below].map(numbers)).toEqual([
      [0, 1, 2],
      [0, 3, 3],
      [0, 4, 4],
      [1, 2, 2],
    ])
  })

  test('end where there are no more', () => {
    const root = new RootComplex()
    for (const slot of [1, 2, 3]) root.attach(new RootPort({ slot }), { device: slot })
    const lines: string[] = []
    expect(numberBuses(configOf(root), 0, 0, 2, (line) => lines.push(line))).toBe(2)
    expect(lines).toEqual(['pci_bus 0000:00: no bus number left'])
  })
})

describe('addresses (pci_bus_assign_resources)', () => {
  const set = (root: RootComplex): ReturnType<typeof enumerate> => {
    const config = configOf(root)
    numberBuses(config, 0, 0, 255, silent)
    assignResources(config, enumerate(config, [BUS_0], false, silent), WINDOWS, silent)
    return enumerate(config, [BUS_0], false, silent)
  }

  test('go to the largest alignment first, then by device; 64-bit ones above 4 GiB; ports from 0x1000 on', () => {
    const root = new RootComplex()
    root.attach(device(VIRTIO), { device: 2 })
    root.attach(
      device([
        { bar: 0, kind: 'memory32', size: 0x2_0000 },
        { bar: 2, kind: 'io', size: 0x20 },
      ]),
      { device: 3 },
    )
    root.attach(device(VIRTIO), { device: 4 })
    expect(set(root).map(({ bars }) => bars.map(({ base }) => base))).toEqual([
      [0x1000, 0x1002_0000, 0x80_0000_0000],
      [0x1000_0000, 0x1100],
      [0x1080, 0x1002_1000, 0x80_0000_4000],
    ])
  })

  test('behind a port lie in its windows, which forward them', () => {
    const root = new RootComplex()
    const port = new RootPort({ slot: 1 })
    root.attach(port, { device: 1 })
    const disk = device(VIRTIO)
    root.attach(disk, { bus: port.secondary, device: 0 })
    const [bridge, endpoint] = set(root)
    expect(endpoint!.bars.map(({ base }) => base)).toEqual([0x1000, 0x1000_0000, 0x80_0000_0000])
    expect(bridge!.bars.every(({ base }) => base !== 0)).toBe(true)
    for (const one of [port, disk]) one.config.write(4, 2, 7)
    expect(root.decodeMemory(0x1000_0000)?.function).toBe(disk)
    expect(root.decodeMemory(0x80_0000_0000)?.function).toBe(disk)
    expect(port.config.read(0x20, 4)).toBe(0x1000_1000)
  })

  test('stay unset where nothing fits, and the log tells', () => {
    const root = new RootComplex()
    root.attach(device([{ bar: 0, kind: 'memory32', size: 0x4000_0000 }]), { device: 2 })
    const config = configOf(root)
    const lines: string[] = []
    assignResources(config, enumerate(config, [BUS_0], false, silent), WINDOWS, (line) => lines.push(line))
    expect(lines).toEqual(["pci 0000:00:02.0: BAR 0: can't assign; no space for 1073741824 bytes"])
    expect(enumerate(config, [BUS_0], false, silent)[0]!.bars[0]!.base).toBe(0)
  })

  test('never overlap, lie in their windows, and are aligned', () => {
    const size = fc.integer({ min: 4, max: 24 }).map((log2) => 2 ** log2)
    const bar = fc.oneof(
      fc.record({ kind: fc.constant('memory32' as const), size }),
      fc.record({ kind: fc.constant('memory64' as const), size, prefetchable: fc.boolean() }),
      fc.record({ kind: fc.constant('io' as const), size: size.map((value) => Math.min(value, 0x100)) }),
    )
    const one = fc.tuple(bar, bar, bar).map((three) => three.map((each, index) => ({ ...each, bar: (index * 2) as 0 })))
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 6 }), fc.nat(3), (devices, ports) => {
        const root = new RootComplex()
        for (const [index, bars] of devices.entries()) {
          if (index >= ports) {
            root.attach(device(bars), { device: index + 1 })
            continue
          }
          const port = new RootPort({ slot: index + 1 })
          root.attach(port, { device: index + 1 })
          root.attach(device(bars), { bus: port.secondary, device: 0 })
        }
        const placed = set(root).flatMap(({ bars }) => bars)
        const taken: { kind: string; start: number; end: number }[] = []
        for (const { kind, base, size: bytes } of placed) {
          expect(base % bytes).toBe(0)
          const [low, high] = kind === 'io' ? [0x1000, 0x1_0000] : [0x1000_0000, 0x100_0000_0000]
          expect(base >= low! && base + bytes <= high!).toBe(true)
          expect(taken.some((other) => other.kind === kind && base < other.end && base + bytes > other.start)).toBe(
            false,
          )
          taken.push({ kind, start: base, end: base + bytes })
        }
      }),
      { numRuns: Math.min(RUNS, 500) },
    )
  })
})

test('an arena gives out the lowest place that fits', () => {
  const arena = new AddressArena(0x1000, 0x5000)
  expect([arena.take(0x800, 0x800), arena.take(0x1000, 0x1000), arena.take(0x800, 0x800)]).toEqual([
    0x1000, 0x2000, 0x1800,
  ])
  expect([arena.take(0x3000, 0x1000), arena.take(0x2000, 0x1000), arena.top]).toEqual([null, 0x3000, 0x5000])
})

test('ports are memory in their window, and all ones outside', () => {
  const memory = new SparseBus().addMemory(0x3eff_0000, 0x1_0000)
  const { ports } = withPortWindow(memory, { cpu: 0x3eff_0000, size: 0x1_0000 })
  ports!.out32(0x1080, 0x1234_5678)
  expect([memory.read32(0x3eff_1080), ports!.in16(0x1082), ports!.in8(0x1080)]).toEqual([0x1234_5678, 0x1234, 0x78])
  expect(ports!.in32(0xfffe)).toBe(0xffff_ffff)
  expect(withPortWindow(memory, null).ports!.in8(0x80)).toBe(0xff)
})
