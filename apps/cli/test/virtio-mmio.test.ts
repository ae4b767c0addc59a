import { bootGuest, type GuestDevice, recordCpuBus } from '@dmascope/guest'
import { createMachine, type DeviceDescription, type Machine } from '@dmascope/machine'
import type { CpuBus } from '@dmascope/memory'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
/** The last of 32 transports: the one that a device gets which names no bus. */
const BASE = 0x0a00_3e00
const RNG: DeviceDescription = { model: 'virtio-rng-device', properties: {}, location: { text: 'rng' } }

function virt(legacy: boolean, properties: DeviceDescription['properties'] = {}) {
  return createMachine({
    machine: 'virt',
    qemuVersion: '11.1',
    name: 'virt',
    source: 'qemu',
    memory: 128 * 0x10_0000,
    cpus: 1,
    cpu: 'cortex-a57',
    defaultDevices: false,
    machineProperties: { 'gic-version': '3' },
    virtioTransports: { 'force-legacy': legacy },
    devices: [{ ...RNG, properties }],
    append: '',
    ignored: [],
  })
}

let made: Machine | null = null
afterEach(() => {
  made?.dispose()
  made = null
})

const boot = (machine: Machine, deviceTree: number | null, profile: string, bus = machine.bus) =>
  bootGuest(bus, { profile, witness: machine.witness, architecture: 'aarch64', entry: { deviceTree: deviceTree! } })

/** Boots, and gives the accesses to the transport's registers, as `w 070=1` or `r 070=1`, and what became of it. */
function seen(legacy: boolean, properties: DeviceDescription['properties'] = {}): [string[], GuestDevice | undefined] {
  const { machine, deviceTree } = virt(legacy, properties)
  made = machine
  const { bus, trace } = recordCpuBus(machine.bus)
  const { devices } = boot(machine, deviceTree, 'linux-6.12', bus)
  const lines = trace.operations.flatMap((one) => {
    if (one[0] !== 'r' && one[0] !== 'w') return []
    const [kind, , at, value] = one as readonly [string, number, number, number]
    if (at < BASE || at >= BASE + 0x200) return []
    return [`${kind} ${(at - BASE).toString(16).padStart(3, '0')}=${value.toString(16)}`]
  })
  return [lines, devices.find(({ id }) => id === 'a003e00.virtio_mmio')]
}

describe('version 2, in the order of Linux', () => {
  const [lines, device] = seen(false, { iommu_platform: 'on' })
  const from = (first: string, count: number): string[] => lines.slice(lines.indexOf(first)).slice(0, count)

  test('1. looks at magic value, version, device and vendor', () => {
    expect(lines.slice(0, 4)).toEqual(['r 000=74726976', 'r 004=2', 'r 008=4', 'r 00c=554d4551'])
  })
  test('2. resets, acknowledges, is a driver', () => {
    expect(lines.slice(4, 9)).toEqual(['w 070=0', 'r 070=0', 'w 070=1', 'r 070=1', 'w 070=3'])
  })
  test('3. reads and writes features, the upper word first; of those of PCI (RING_RESET) it takes none', () => {
    expect(lines.slice(9, 17)).toEqual([
      'w 014=1',
      'r 010=103',
      'w 014=0',
      'r 010=30000000',
      'w 024=1',
      'w 020=3',
      'w 024=0',
      'w 020=30000000',
    ])
  })
  test('4. sees FEATURES_OK stand', () => {
    expect(from('w 070=b', 2)).toEqual(['w 070=b', 'r 070=b'])
  })
  test('5. places the queue of 1024 entries, and makes it ready', () => {
    const placed = from('w 030=0', 12)
    expect(placed.slice(0, 4)).toEqual(['w 030=0', 'r 044=0', 'r 034=400', 'w 030=0'])
    expect(placed.slice(4).map((line) => line.slice(0, 5))).toEqual([
      'w 038',
      'w 080',
      'w 084',
      'w 090',
      'w 094',
      'w 0a0',
      'w 0a4',
      'w 044',
    ])
    expect(placed[4]).toBe('w 038=400')
    expect(placed[11]).toBe('w 044=1')
  })
  test('6. sets DRIVER_OK, rings, and acknowledges what InterruptStatus says', () => {
    expect(from('w 070=f', 4).slice(0, 1)).toEqual(['w 070=f'])
    expect(lines).toContain('w 050=0')
    expect(from('r 060=1', 2)).toEqual(['r 060=1', 'w 064=1'])
  })
  test('and moves data, by the DMA API, which is direct: no IOMMU is in front of it', () => {
    expect(device).toMatchObject({
      seenAs: 'mmio:0xa003e00',
      vendor: 0x554d_4551,
      device: 4,
      driver: 'virtio_rng',
      dmaPath: 'direct',
      iommuGroup: null,
      domain: 'none',
      interrupt: { mode: 'wire', lost: 0 },
      io: { ok: true },
      virtio: { negotiated: [28, 29, 32, 33], accessPlatform: true, status: 0x0f },
    })
    expect(device!.interrupt.delivered).toBeGreaterThan(0)
  })
})

describe('version 1, in the order of Linux', () => {
  const [lines, device] = seen(true, { iommu_platform: 'on' })

  test('1. tells the page size before the reset', () => {
    expect(lines.slice(0, 6)).toEqual([
      'r 000=74726976',
      'r 004=1',
      'r 008=4',
      'r 00c=554d4551',
      'w 028=1000',
      'w 070=0',
    ])
  })
  test('2. finds no feature above bit 31, and no FEATURES_OK to set', () => {
    expect(lines).toContain('r 010=0')
    expect(lines.some((line) => line.startsWith('w 070=') && (Number.parseInt(line.slice(6), 16) & 8) !== 0)).toBe(
      false,
    )
  })
  test('3. places the queue by size, alignment and page number', () => {
    const at = lines.indexOf('w 038=400')
    expect(lines.slice(at, at + 2)).toEqual(['w 038=400', 'w 03c=1000'])
    expect(lines[at + 2]).toMatch(/^w 040=[0-9a-f]+$/)
  })
  test('and moves data by physical addresses', () => {
    expect(device).toMatchObject({
      dmaPath: 'physical',
      io: { ok: true },
      virtio: { negotiated: [28, 29], accessPlatform: false, status: 0x07 },
    })
  })
})

/** The machine's bus, with another answer to 32-bit loads. */
const lying = (bus: CpuBus, read32: CpuBus['read32']): CpuBus =>
  new Proxy(bus, {
    get(target, key) {
      if (key === 'read32') return read32
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })

test('without the module virtio_mmio nobody finds the device', () => {
  const { machine, deviceTree } = virt(true)
  made = machine
  const { devices } = boot(machine, deviceTree, 'linux-6.12,without=virtio_mmio')
  expect(devices.map(({ id }) => id)).toEqual(['0000:00:00.0'])
})

test.each([
  ['a wrong magic value', 0x000, 0x1234_5678, 'Wrong magic value 0x12345678!'],
  ['a version that is none', 0x004, 3, 'Version 3 not supported!'],
])('%s: no device, and a line in the log', (_, offset, value, words) => {
  const { machine, deviceTree } = virt(true)
  made = machine
  const { bus } = machine
  const liar = lying(bus, (address) => (address === BASE + offset ? value : bus.read32(address)))
  const { devices, timeline } = boot(machine, deviceTree, 'linux-6.12', liar)
  expect(devices.map(({ id }) => id)).toEqual(['0000:00:00.0'])
  expect(timeline.some((line) => line.includes(`a003e00.virtio_mmio: probe failed: ${words}`))).toBe(true)
})

test('a device of version 2 without VERSION_1 is declined in Linux’s words', () => {
  const { machine, deviceTree } = virt(false)
  made = machine
  const { bus } = machine
  const liar = lying(bus, (address) => (address === BASE + 0x10 ? 0 : bus.read32(address)))
  const { devices } = boot(machine, deviceTree, 'linux-6.12', liar)
  expect(devices.at(-1)?.refusal).toBe('New virtio-mmio devices (version 2) must provide VIRTIO_F_VERSION_1 feature!')
})

test('registers that read as anything end the boot all the same', () => {
  const { machine, deviceTree } = virt(false)
  made = machine
  const { bus } = machine
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 16 }), fc.boolean(), (words, honest) => {
      let next = 0
      const liar = lying(bus, (address) => {
        if (address < BASE || address >= BASE + 0x200) return bus.read32(address)
        const offset = address - BASE
        if (offset === 0) return 0x7472_6976
        if (honest && offset < 0x10) return bus.read32(address)
        return words[next++ % words.length]!
      })
      const { booted } = bootGuest(liar, {
        profile: 'linux-6.12',
        witness: machine.witness,
        architecture: 'aarch64',
        entry: { deviceTree: deviceTree! },
        patience: 50,
      })
      expect(booted).toBe(true)
    }),
    // A whole boot is much above a millisecond.
    { numRuns: Math.min(RUNS, 40) },
  )
})
