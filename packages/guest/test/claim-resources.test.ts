import type { CpuBus } from '@dmascope/memory/contracts'
import { ConfigSpace, type PciFunction as PciModel, RootComplex, RootPort } from '@dmascope/pci'
import { describe, expect, test } from 'vitest'
import { claimResources } from '../src/pci/claim-resources.ts'
import { ConfigAccess } from '../src/pci/config-access.ts'
import { enumerate } from '../src/pci/enumerate.ts'
import type { PciFunction } from '../src/pci/pci-function.ts'

const ECAM = { base: 0xe000_0000, segment: 0, startBus: 0, endBus: 255 }
/** As a microvm's host bridge passes them on: no ports. */
const WINDOWS = new Map([
  [
    0,
    {
      ports: 0,
      memory: { base: 0xc000_0000, size: 0x2000_0000 },
      memory64: { base: 0xc0_0000_0000, size: 0x40_0000_0000 },
    },
  ],
])

type Bars = ConstructorParameters<typeof ConfigSpace>[0]['bars']
const device = (bars: Bars = []): PciModel => ({
  config: new ConfigSpace({ vendorId: 0x1af4, deviceId: 0x1001, classCode: 0x01_0000, bars }),
  connect() {},
  readBar: (_bar, _offset, _width, out) => void out.fill(0),
  writeBar() {},
  work: () => 'idle',
  reset() {},
})
/** A transitional virtio disk's. */
const VIRTIO: Bars = [
  { bar: 0, kind: 'io', size: 0x80 },
  { bar: 1, kind: 'memory32', size: 0x1000 },
  { bar: 4, kind: 'memory64', size: 0x4000, prefetchable: true },
]

function accessTo(root: RootComplex): { config: ConfigAccess; claim(): PciFunction[]; log: string[] } {
  const ecam = root.createEcam()
  const at = (address: number): number => address - ECAM.base
  const bus: CpuBus = {
    readBytes: (_address, into) => void into.fill(0xff),
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
  const config = new ConfigAccess(bus, [ECAM], false)
  const log: string[] = []
  const say = (line: string): void => void log.push(line)
  const scan = (): PciFunction[] => enumerate(config, [{ segment: 0, bus: 0 }], false, say)
  return { config, claim: () => claimResources(config, WINDOWS, scan, say), log }
}

const placesOf = (functions: readonly PciFunction[]): string[] =>
  functions.flatMap(({ id, bars }) => bars.map(({ index, base }) => `${id} ${index} ${base.toString(16)}`))

describe('what firmware left alone', () => {
  test('gets bus numbers and addresses; ports stay without any where the bridge passes none on', () => {
    const root = new RootComplex()
    root.attach(device(), { device: 0 })
    root.attach(device(VIRTIO), { device: 1 })
    const port = new RootPort()
    root.attach(port, { device: 2 })
    root.attach(device([{ bar: 0, kind: 'memory32', size: 0x2_0000 }]), { bus: port.secondary, device: 0 })
    const { claim, log } = accessTo(root)
    const functions = claim()
    expect(functions.map(({ id }) => id)).toEqual(['0000:00:00.0', '0000:00:01.0', '0000:00:02.0', '0000:01:00.0'])
    const places = placesOf(functions)
    expect(places).toContain('0000:00:01.0 0 0')
    expect(places).toContain('0000:00:01.0 4 c000000000')
    expect(places).toContain('0000:01:00.0 0 c0000000')
    expect(log).toContainEqual(expect.stringMatching(/^pci 0000:00:01\.0: BAR 0: can't assign; no space/))
  })

  test('is nothing where there is nothing to set up', () => {
    const root = new RootComplex()
    root.attach(device(), { device: 0 })
    const { claim, log } = accessTo(root)
    expect(claim()).toHaveLength(1)
    expect(log).toEqual([])
  })
})

describe('what firmware set', () => {
  test('is taken over: neither numbers nor addresses change', () => {
    const root = new RootComplex()
    root.attach(device(VIRTIO), { device: 1 })
    const port = new RootPort()
    root.attach(port, { device: 2 })
    root.attach(device([{ bar: 0, kind: 'memory32', size: 0x1000 }]), { bus: port.secondary, device: 0 })
    const { config, claim } = accessTo(root)
    const at = (bus: number, slot: number) => ({ segment: 0, bus, device: slot, function: 0 })
    config.write(at(0, 2), 0x18, 4, 0x00_07_07_00)
    config.write(at(0, 1), 0x14, 4, 0xd000_0000)
    config.write(at(7, 0), 0x10, 4, 0xd100_0000)
    const functions = claim()
    expect(functions.map(({ id }) => id)).toEqual(['0000:00:01.0', '0000:00:02.0', '0000:07:00.0'])
    expect(placesOf(functions)).toContain('0000:00:01.0 1 d0000000')
    expect(placesOf(functions)).toContain('0000:07:00.0 0 d1000000')
    expect(config.read(at(0, 2), 0x18, 4) & 0xff_ffff).toBe(0x07_07_00)
  })
})
