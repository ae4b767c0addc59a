import { DeviceTree, node, parseDts } from '@dmascope/devicetree'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { createMachine, type Machine, type MachineDescription } from '../../machine/src/index.ts'
import { bootGuest, type GuestResult, parseGuest } from '../src/index.ts'
import { busWindows, reachOfAll } from '../src/tree/bus-windows.ts'
import { ACCESS_PLATFORM, device, disk } from './support/test-machine.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const GIB = 0x4000_0000
const MIB = 0x10_0000

const tree = (bus: string, bridge: string): DeviceTree =>
  parseDts(`/dts-v1/;
/ {
  #address-cells = <2>;
  #size-cells = <2>;
  scb {
    compatible = "simple-bus";
    #address-cells = <2>;
    #size-cells = <2>;
    ranges;
    ${bus}
    pcie {
      device_type = "pci";
      #address-cells = <3>;
      #size-cells = <2>;
      ${bridge}
    };
  };
};`)

function windowsOf(bus: string, bridge: string) {
  const log: string[] = []
  const found = busWindows(tree(bus, bridge).find('/scb/pcie')!, (line) => log.push(line))
  return { found, log }
}

describe('how a bus sees memory, by a tree', () => {
  it('at its own address where nothing is said, and where dma-ranges is empty all the way', () => {
    expect(windowsOf('', '')).toEqual({ found: null, log: [] })
    expect(windowsOf('dma-ranges;', 'dma-ranges;')).toEqual({ found: null, log: [] })
  })

  it('by the windows of the host bridge, in their order', () => {
    const bridge =
      'dma-ranges = <0x2000000 0 0xc0000000 0 0x40000000 0 0x20000000 0x2000000 0 0 0 0x80000000 0 0x1000>;'
    expect(windowsOf('dma-ranges;', bridge).found).toEqual({
      windows: [
        { cpu: 0x4000_0000, bus: 0xc000_0000, length: 0x2000_0000 },
        { cpu: 0x8000_0000, bus: 0, length: 0x1000 },
      ],
      by: 'dma-ranges of /scb/pcie',
    })
  })

  it('by those of the bus above where the bridge’s are empty', () => {
    expect(windowsOf('dma-ranges = <0 0xc0000000 0 0 0 0x40000000>;', 'dma-ranges;').found).toEqual({
      windows: [{ cpu: 0, bus: 0xc000_0000, length: 0x4000_0000 }],
      by: 'dma-ranges of /scb',
    })
  })

  it('by both, where both name some: where a window begins is followed up', () => {
    const bus = 'dma-ranges = <0 0x1000 0 0x40001000 0 0x10000000>;'
    const bridge = 'dma-ranges = <0x2000000 0 0x80000000 0 0x2000 0 0x100000>;'
    expect(windowsOf(bus, bridge).found?.windows).toEqual([{ cpu: 0x4000_2000, bus: 0x8000_0000, length: 0x10_0000 }])
  })

  it('without a window that leads nowhere above, of which the kernel tells', () => {
    const bus = 'dma-ranges = <0 0 0 0x40000000 0 0x1000>;'
    const bridge = 'dma-ranges = <0x2000000 0 0x80000000 0 0x2000 0 0x1000 0x2000000 0 0x90000000 0 0 0 0x1000>;'
    const { found, log } = windowsOf(bus, bridge)
    expect(found?.windows).toEqual([{ cpu: 0x4000_0000, bus: 0x9000_0000, length: 0x1000 }])
    expect(log).toEqual([expect.stringContaining('translation of DMA addresses to CPU addresses failed')])
  })

  it('up to a window of no size, which ends Linux’s list', () => {
    const bridge =
      'dma-ranges = <0x2000000 0 0 0 0 0 0x1000 0x2000000 0 0x5000 0 0x5000 0 0 0x2000000 0 0x8000 0 0x8000 0 0x1000>;'
    expect(windowsOf('dma-ranges;', bridge).found?.windows).toEqual([{ cpu: 0, bus: 0, length: 0x1000 }])
  })

  it('at its own address once a bus above has no dma-ranges and one below has an empty one', () => {
    expect(windowsOf('', 'dma-ranges;')).toEqual({ found: null, log: [] })
  })

  it('whatever cells stand there, it comes to an end, and its windows are ones that a kernel can use', () => {
    const cell = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5, 0xffff_ffff), fc.nat(0xffff_ffff))
    const some = fc.array(cell, { maxLength: 24 })
    fc.assert(
      fc.property(some, some, fc.tuple(cell, cell, cell, cell), (low, high, [a, b, c, d]) => {
        const bridge = node('pcie', { '#address-cells': a % 7, '#size-cells': b % 7, 'dma-ranges': low })
        const bus = node('bus', { '#address-cells': c % 7, '#size-cells': d % 7, 'dma-ranges': high }, [bridge])
        const made = new DeviceTree(node('', { '#address-cells': 2, '#size-cells': 2 }, [bus]))
        const windows = busWindows(made.find('/bus/pcie')!, () => {})?.windows ?? []
        for (const { cpu, bus: start, length } of windows) {
          expect(length).toBeGreaterThan(0)
          expect(Number.isSafeInteger(cpu + length) && Number.isSafeInteger(start + length)).toBe(true)
        }
        const reach = reachOfAll(made)
        expect(reach === null || (reach > 0 && reach <= 2 ** 53)).toBe(true)
      }),
      RUNS,
    )
  })
})

describe('how far all devices reach', () => {
  it('is where the windows of that bus end which end first; buses that are switched off do not count', () => {
    const made = (more: string): number | null =>
      reachOfAll(
        parseDts(`/dts-v1/;
/ {
  #address-cells = <1>;
  #size-cells = <1>;
  a { #address-cells = <1>; #size-cells = <1>; dma-ranges = <0 0x40000000 0x1000 0x8000 0x50000000 0x1000>; };
  b { #address-cells = <1>; #size-cells = <1>; dma-ranges = <0 0x40000000 0x8000>; ${more} };
};`),
      )
    expect(made('')).toBe(0x4000_8000)
    expect(made('status = "okay";')).toBe(0x4000_8000)
    expect(made('status = "disabled";')).toBe(0x5000_1000)
    expect(reachOfAll(tree('', ''))).toBeNull()
  })
})

describe('a kernel on a machine whose host bridge has windows', () => {
  let machine: Machine | null = null
  afterEach(() => {
    machine?.dispose()
    machine = null
  })

  type Buses = readonly (readonly (readonly [bus: number, memory: number, size: number])[])[]
  function boot(inbound: Buses, more: Partial<MachineDescription> = {}, guest = 'linux-6.12'): GuestResult {
    const devices = [
      disk(2, ACCESS_PLATFORM),
      disk(3),
      device('e1000e', 4, {}, { backend: { kind: 'network', where: 'qemu' } }),
      device('dmascope-probe', 5, { dma_bits: 32 }),
    ]
    const built = createMachine({
      machine: 'virt',
      cpu: 'cortex-a57',
      qemuVersion: '11.1',
      name: 'test',
      source: 'file',
      memory: 512 * MIB,
      cpus: 1,
      defaultDevices: false,
      machineProperties: { 'gic-version': '3' },
      inbound: inbound.map((windows) => ({
        windows: windows.map(([bus, memory, size]) => ({ bus, memory, size })),
        location: { text: 'test' },
      })),
      devices,
      append: '',
      ignored: [],
      ...more,
    })
    machine = built.machine
    machine.endFirmwarePhase()
    return bootGuest(machine.bus, {
      profile: guest,
      witness: machine.witness,
      architecture: built.machine.architecture,
      entry: { deviceTree: built.deviceTree! },
    })
  }
  const OFFSET: Buses = [[[0xc000_0000, GIB, 512 * MIB]]]
  const find = (result: GuestResult, id: string) => result.devices.find((one) => one.id === `0000:00:${id}.0`)!
  const seen = (id: string) => machine!.observe().find((one) => one.id === `0000:00:${id}.0`)!

  it('does what Linux does, in its order: reads the windows, then gives each device what its bus understands', () => {
    const result = boot(OFFSET)
    const lines = result.timeline.join('\n')
    // 1. The host bridge's driver tells of its windows.
    expect(lines).toContain('pci-host-generic: IB MEM 0x40000000..0x5fffffff -> 0xc0000000')
    // 2. All of memory is within reach: no pool is set up.
    expect(lines).not.toContain('software IO TLB')
    // 3. A device that takes the bus's way is given bus addresses, as one that goes past it is given memory's own.
    const [through, past] = [find(result, '02'), find(result, '03')]
    expect(through).toMatchObject({ dmaPath: 'direct', windowsBy: 'dma-ranges of /pcie@10000000', io: { ok: true } })
    expect(past).toMatchObject({ dmaPath: 'physical', io: { ok: true } })
    const given = ({ why }: typeof through): string[] =>
      why.flatMap(({ fact }) => /given to the device as (0x[0-9a-f]+)/.exec(fact)?.[1] ?? [])
    expect(given(through).length).toBeGreaterThan(0)
    for (const address of given(through)) expect(Number(address)).toBeGreaterThanOrEqual(0xc000_0000)
    for (const address of given(past)) expect(Number(address)).toBeLessThan(0x6000_0000)
    // 4. Every access lands where the kernel meant it to.
    for (const id of ['02', '03', '04', '05']) {
      expect(find(result, id).io.ok, id).toBe(true)
      expect(seen(id)).toMatchObject({ strayCount: 0, behindIommu: false })
    }
  })

  it('serves a card that has no bit to ask for that with memory’s own addresses, where nothing is', () => {
    const result = boot(OFFSET, { hypervisor: 'physical-no-flag' })
    expect(find(result, '02')).toMatchObject({ dmaPath: 'physical', io: { ok: false, hung: true } })
    expect(seen('02').strays[0]).toMatchObject({ physical: null, landed: 'hole' })
  })

  it('has it write into memory of others, where the bus has other memory there', () => {
    const banks = [
      [0x4800_0000, 0x4000_0000, 128 * MIB],
      [0x4000_0000, 0x4800_0000, 128 * MIB],
      [0x5800_0000, 0x5000_0000, 128 * MIB],
      [0x5000_0000, 0x5800_0000, 128 * MIB],
    ] as const
    expect(find(boot([banks]), '02').io.ok).toBe(true)
    machine!.dispose()
    const result = boot([banks], { hypervisor: 'physical-no-flag' })
    expect(find(result, '02').io.ok).toBe(false)
    expect(seen('02').strays[0]).toMatchObject({ landed: 'ram' })
  })

  it('follows windows through every bus above', () => {
    const nested: Buses = [
      [[0xc000_0000, 0, 512 * MIB]],
      [[0, 0x1_0000_0000, 512 * MIB]],
      [[0x1_0000_0000, GIB, 512 * MIB]],
    ]
    const result = boot(nested)
    expect(result.timeline.join('\n')).toContain('IB MEM 0x40000000..0x5fffffff -> 0xc0000000')
    for (const id of ['02', '03', '04', '05']) expect(find(result, id).io.ok, id).toBe(true)
  })

  it('goes wrong as Linux does where a bus above breaks a window up: only where it begins is followed', () => {
    const broken: Buses = [
      [[0xc000_0000, 0, 512 * MIB]],
      [
        [0, GIB, 256 * MIB],
        [256 * MIB, 0x6000_0000, 256 * MIB],
      ],
    ]
    const result = boot(broken)
    expect(result.timeline.join('\n')).toContain('IB MEM 0x40000000..0x5fffffff -> 0xc0000000')
    expect(find(result, '02').io.ok).toBe(false)
    expect(seen('02').strayCount).toBeGreaterThan(0)
  })

  it('bounces what the window leaves out, with a pool where all devices reach', () => {
    const result = boot([[[GIB, GIB, 256 * MIB]]])
    expect(result.timeline.join('\n')).toMatch(/software IO TLB: mapped \[mem 0x4[0-9a-f]{7}-0x4[0-9a-f]{7}\]/)
    for (const id of ['02', '03', '04', '05']) {
      expect(find(result, id).io.ok, id).toBe(true)
      expect(seen(id).strayCount, id).toBe(0)
    }
    expect(find(result, '02').dmaPath).toBe('swiotlb')
    expect(find(result, '03').dmaPath).toBe('physical')
  })

  it('looks for the pool below the next power of two before 6.12, and so too high for an odd window', () => {
    const odd: Buses = [[[GIB, GIB, 384 * MIB]]]
    const [newer, older] = ['linux-6.12', 'linux-6.1'].map((guest) => {
      const result = boot(odd, { memory: 768 * MIB }, guest)
      machine!.dispose()
      return result
    })
    machine = null
    const pool = (result: GuestResult): number =>
      Number(/mapped \[mem (0x[0-9a-f]+)/.exec(result.timeline.join('\n'))?.[1] ?? -1)
    expect(pool(newer!)).toBeLessThan(GIB + 384 * MIB)
    expect(find(newer!, '02').io.ok).toBe(true)
    // All of RAM is below 2 GiB: that kernel sees no need for a pool at all, and a buffer out of reach has no address.
    // Debian's kernels on QEMU, given such a tree: 6.12 has ZONE_DMA end at 0x57ffffff and a pool in it, 6.1 at the end
    // of RAM and none.
    expect(pool(older!)).toBe(-1)
    expect(find(older!, '02').io.ok).toBe(false)
  })

  it('takes no notice of windows where it is told so, and then goes wrong', () => {
    const result = boot(OFFSET, {}, 'linux-6.12,bus-windows=off')
    expect(find(result, '02')).toMatchObject({ dmaPath: 'direct', io: { ok: false } })
    expect(find(result, '02').windowsBy).toBeUndefined()
    expect(parseGuest('linux-6.12').busWindows).toBe(true)
    expect(() => parseGuest('linux-6.12,bus-windows=yes')).toThrow(/known are on, off/)
  })

  it('cannot do without the pool', () => {
    const result = boot([[[GIB, GIB, 256 * MIB]]], { append: 'swiotlb=noforce' })
    // Its driver tries again for ever, in its probe: the disk after it has none.
    expect(find(result, '02').io).toMatchObject({ ok: false, hung: true, unmapped: true })
    expect(find(result, '03').heldBy).toBe('0000:00:02.0')
    expect(seen('02').strayCount).toBe(0)
  })
})
