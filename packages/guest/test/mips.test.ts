import { DeviceTree, node, parseDts } from '@dmascope/devicetree'
import { DirectDma } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { createMachine, type Machine, type MachineDescription } from '../../machine/src/index.ts'
import { bootGuest, type GuestResult } from '../src/index.ts'
import { L2Interrupts } from '../src/mips/l2-interrupts.ts'
import { maintainedCaches } from '../src/mips/maintained-caches.ts'
import { flushReadAhead, identifyProcessor } from '../src/mips/processor.ts'
import { readMipsPlatform } from '../src/mips/tree-platform.ts'
import { ubusWindows } from '../src/mips/ubus-windows.ts'
import { ACCESS_PLATFORM, device, disk } from './support/test-machine.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const MIB = 0x10_0000
const STATUS = 0x60
const CAUSE = 0x68
const PRID = 0x78
const BRCM_CBR = 0xb6

/** A processor's registers and words at addresses; tells of each access in order. */
function fakeBus(registers: Record<number, number>, words: Record<number, number> = {}) {
  const seen: string[] = []
  const hex = (value: number): string => value.toString(16)
  const bus: CpuBus = {
    read8: () => 0xff,
    read16: () => 0xffff,
    read32(address) {
      seen.push(`read ${hex(address)}`)
      return words[address] ?? 0xffff_ffff
    },
    write8: () => {},
    write16: () => {},
    write32(address, value) {
      seen.push(`write ${hex(address)} ${hex(value)}`)
      words[address] = value
    },
    readBytes: () => {},
    writeBytes: () => {},
    nextInterrupt: () => -1,
    idle: () => true,
    systemRegisters: {
      read: (register) => registers[register] ?? 0,
      write(register, value) {
        seen.push(`cp0 ${hex(register)} ${hex(value)}`)
        registers[register] = value
      },
    },
    cache: {
      lineBytes: 16,
      clean: (address, length) => void seen.push(`clean ${hex(address)} ${length}`),
      invalidate: (address, length) => void seen.push(`invalidate ${hex(address)} ${length}`),
    },
    uncachedOffset: 0x1000_0000,
  }
  return { bus, seen, registers, words }
}

describe('the kind of processor, by PRId (cpu_probe_broadcom)', () => {
  it.each([
    [0x0002_9000, 'BMIPS3300', 'read-ahead cache'],
    [0x0002_9100, 'BMIPS3300', 'read-ahead cache'],
    [0x0002_a010, 'BMIPS4350', 'read-ahead cache'],
    [0x0002_a040, 'BMIPS4380', 'read-ahead cache'],
    [0x0002_a06f, 'BMIPS4380', 'read-ahead cache'],
    [0x0002_a070, 'BMIPS4350', 'read-ahead cache'],
    [0x0002_5a11, 'BMIPS5000', 'lines'],
    [0x0002_5b00, 'BMIPS5000', 'lines'],
  ])('%i is a %s', (id, name, fetchesAhead) => {
    expect(identifyProcessor(fakeBus({ [PRID]: id }).bus)).toEqual({ name, fetchesAhead })
  })

  it.each([0, 0x0001_9300, 0x0002_1234])('%i is none that a BMIPS kernel runs on', (id) => {
    expect(identifyProcessor(fakeBus({ [PRID]: id }).bus)).toMatch(/Unknown Broadcom CPU/)
  })
})

describe('the read-ahead cache', () => {
  it('is flushed by bit 8 of the register at the start of the core’s block, and the write is waited for', () => {
    const { bus, seen } = fakeBus({ [BRCM_CBR]: 0xff40_1234 }, { 4282384384: 0xf })
    flushReadAhead(bus)
    expect(seen).toEqual(['read ff400000', 'write ff400000 10f', 'read ff400000'])
  })
})

describe('what direct DMA does about caches', () => {
  const on = { cacheMaintenance: true, aheadFlush: true }
  const coherencyOf = (fetchesAhead: 'lines' | 'read-ahead cache' | null, profile = on) => {
    const { bus, seen } = fakeBus({ [BRCM_CBR]: 0xff40_0000 }, { 4282384384: 0 })
    const platform = maintainedCaches({ name: 'BMIPS', fetchesAhead }, bus, profile)
    const { coherency } = platform.partsOf({ id: '0000:00:01.0' })
    return { coherency, seen, facts: platform.why?.({ id: '' }).map(({ fact }) => fact) }
  }

  it.each([
    ['to-device', ['clean 100 32']],
    ['from-device', ['invalidate 100 32']],
    ['bidirectional', ['clean 100 32', 'invalidate 100 32']],
  ] as const)('before a device has memory, %s', (direction, expected) => {
    const { coherency, seen } = coherencyOf('lines')
    coherency?.beforeDevice(0x100, 32, direction)
    expect(seen).toEqual(expected)
  })

  it('after it: lines once more where the processor speculates, the whole of a read-ahead cache, else nothing', () => {
    const lines = coherencyOf('lines')
    lines.coherency?.afterDevice(0x100, 32, 'from-device')
    expect(lines.seen).toEqual(['invalidate 100 32'])
    const whole = coherencyOf('read-ahead cache')
    whole.coherency?.afterDevice(0x100, 32, 'to-device')
    expect(whole.seen).toEqual(['read ff400000', 'write ff400000 100', 'read ff400000'])
    const none = coherencyOf(null)
    none.coherency?.afterDevice(0x100, 32, 'from-device')
    expect(none.seen).toEqual([])
  })

  it('has memory for both in KSEG1, past the caches', () => {
    expect(coherencyOf('lines').coherency?.uncached(0x2000, 64)).toBe(0x1000_2000)
  })

  it('leaves out what its rules leave out, and says so', () => {
    const without = coherencyOf('read-ahead cache', { cacheMaintenance: true, aheadFlush: false })
    without.coherency?.afterDevice(0x100, 32, 'from-device')
    expect(without.seen).toEqual([])
    expect(without.facts?.at(-1)).toMatch(/read-ahead cache holds is flushed after DMA, but this kernel does not/)
    const none = coherencyOf('lines', { cacheMaintenance: false, aheadFlush: true })
    expect(none.coherency).toBeUndefined()
    expect(none.facts?.[0]).toMatch(/would have to maintain them/)
  })
})

describe('BCM3380 second-level controllers', () => {
  const place = {
    input: 4,
    path: '/ubus/periph_intc',
    words: [
      { enable: 0x38, status: 0x3c },
      { enable: 0x340, status: 0x344 },
    ],
  }

  it('init: 1 every word lets nothing through, 2 the processor’s input is let through; then as drivers come', () => {
    const { bus, seen, words, registers } = fakeBus({ [STATUS]: 0x0040_0004 }, { 60: 0, 836: 0x0005_0000 })
    const one = new L2Interrupts(bus, [place])
    expect(seen).toEqual(['write 38 0', 'write 340 0', 'cp0 60 1001'])
    one.enable(50)
    expect(words[0x340]).toBe(0x0004_0000)
    registers[CAUSE] = 0x1000
    expect(one.take()).toBe(50)
    one.enable(48)
    expect(one.take()).toBe(48)
    one.disable(48)
    expect([words[0x340], one.take()]).toEqual([0x0004_0000, 50])
  })

  it('no interrupt is taken that another input brought, or that nobody enabled', () => {
    const { bus, registers } = fakeBus({ [CAUSE]: 0x0400 }, { 60: 0xffff_ffff, 836: 0xffff_ffff })
    const one = new L2Interrupts(bus, [place])
    one.enable(3)
    expect(one.take()).toBe(-1)
    registers[CAUSE] = 0x1000
    expect(one.take()).toBe(3)
    one.disable(3)
    expect(one.take()).toBe(-1)
  })

  it('answers numbers of enabled inputs alone, whatever registers say', () => {
    const word = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(word, word, word, fc.array(fc.nat(200), { maxLength: 4 }), (cause, low, high, inputs) => {
        const { bus, words } = fakeBus({ [CAUSE]: cause })
        const one = new L2Interrupts(bus, [place])
        for (const input of inputs) one.enable(input)
        words[0x3c] = low
        words[0x344] = high
        const taken = one.take()
        expect(taken === -1 || (inputs.includes(taken) && taken < 64)).toBe(true)
      }),
      RUNS,
    )
  })
})

const ubus = (dmaRanges: string): DeviceTree =>
  parseDts(`/dts-v1/;
/ { #address-cells = <1>; #size-cells = <1>;
  ubus { compatible = "brcm,ubus", "simple-bus"; #address-cells = <1>; #size-cells = <1>; ranges; ${dmaRanges} };
};`)

describe('one table for all buses, as Linux before 5.18 has it (bmips_init_dma_ranges)', () => {
  const read = (dmaRanges: string) => {
    const log: string[] = []
    return { found: ubusWindows(ubus(dmaRanges), (line) => log.push(line)), log }
  }

  it('exchanges the banks of a BCM3384, and leaves what is above them where it is', () => {
    const { found } = read('dma-ranges = <0 0x08000000 0x08000000>, <0x08000000 0 0x08000000>;')
    const at = (cpu: number): number | null | undefined => found?.view.toBus(cpu, 4096)
    expect([at(0), at(0x07ff_f000), at(0x0800_0000), at(0x1000_0000)]).toEqual([
      ...[0x0800_0000, 0x0fff_f000, 0, 0x1000_0000],
    ])
    expect(found?.view.cpuEnd(0x1_0000_0000)).toBe(0x1_0000_0000)
    expect(found?.fact.source).toBe('dma-ranges of /ubus')
  })

  it('takes the first cell for memory’s address, which is the bus’s', () => {
    const { found } = read('dma-ranges = <0x40000000 0 0x08000000>;')
    expect(found?.view.toBus(0, 4096)).toBe(0)
    expect(found?.view.toBus(0x4000_1000, 4096)).toBe(0x1000)
  })

  it('ends with an entry of no size, and says where it has none', () => {
    const { found } = read('dma-ranges = <0 0x1000 0>, <0x1000 0x2000 0x1000>;')
    expect(found?.view.toBus(0x1000, 16)).toBe(0x1000)
    expect(read('dma-ranges;')).toEqual({ found: null, log: ['bmips-dma: error parsing dma-ranges property'] })
    expect(read('')).toEqual({ found: null, log: [] })
  })

  it('comes to something for any cells at all', () => {
    const cell = fc.integer({ min: 0, max: 0xffff_ffff })
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 10 }), cell, (cells, cpu) => {
        const tree = new DeviceTree(node('', {}, [node('ubus', { compatible: 'brcm,ubus', 'dma-ranges': cells }, [])]))
        const found = ubusWindows(tree, () => {})
        expect(found === null).toBe(cells.length < 3)
        if (found !== null) expect(Number.isSafeInteger(found.view.toBus(cpu, 4096))).toBe(true)
      }),
      RUNS,
    )
  })
})

describe('a tree', () => {
  const tree = (text: string): DeviceTree => parseDts(`/dts-v1/; / { ${text} };`)
  const CPUS = 'cpus { mips-hpt-frequency = <1>; };'
  const CPU_INTC =
    'c: cpu_intc { compatible = "mti,cpu-interrupt-controller"; interrupt-controller; #interrupt-cells = <1>; };'

  it.each([
    ['', /missing 'cpus'/],
    ['cpus { };', /missing 'mips-hpt-frequency'/],
    [CPUS, /no interrupt controller/],
  ])('without %j ends the kernel', (text, message) => {
    expect(readMipsPlatform(tree(text), () => {})).toMatch(message)
  })

  it('tells of controllers on the processor’s inputs; one without registers, or behind another, is not used', () => {
    const found = readMipsPlatform(
      tree(`#address-cells = <1>; #size-cells = <1>; ${CPUS} ${CPU_INTC}
        p: a@38 { compatible = "brcm,bcm3380-l2-intc"; reg = <0x38 4 0x3c 4>; interrupt-parent = <&c>; interrupts = <4>; };
        b@60 { compatible = "brcm,bcm3380-l2-intc"; reg = <0x60 4 0x64 4>; interrupt-parent = <&p>; interrupts = <29>; };
        d@70 { compatible = "brcm,bcm3380-l2-intc"; interrupt-parent = <&c>; interrupts = <5>; };`),
      () => {},
    )
    const places = typeof found === 'string' ? found : [...found.controllers.values()]
    expect(places).toEqual([{ input: 4, path: '/a@38', words: [{ enable: 0x38, status: 0x3c }] }])
  })
})

describe('Linux on a BCM3384', () => {
  let machines: Machine[] = []
  afterEach(() => {
    for (const one of machines) one.dispose()
    machines = []
  })

  const DEVICES = [disk(2, ACCESS_PLATFORM), device('virtio-rng-pci', 3), device('nvme', 4, { serial: 'x' })]

  function bcm3384(more: Partial<MachineDescription> = {}) {
    const built = createMachine({
      machine: 'bcm3384',
      qemuVersion: '11.1',
      hypervisor: 'physical',
      name: 'test',
      source: 'file',
      memory: 256 * MIB,
      cpus: 1,
      defaultDevices: false,
      machineProperties: {},
      devices: DEVICES,
      append: '',
      ignored: [],
      ...more,
    })
    machines.push(built.machine)
    return built
  }

  function boot(profile: string, more: Partial<MachineDescription> = {}): GuestResult {
    const { machine, deviceTree } = bcm3384(more)
    machine.endFirmwarePhase()
    const entry = deviceTree === null ? {} : { deviceTree }
    return bootGuest(machine.bus, { profile, witness: machine.witness, architecture: 'mipsel', entry })
  }

  const ioOf = ({ devices }: GuestResult): (boolean | undefined)[] =>
    devices.filter(({ driver }) => driver !== null).map(({ io }) => io?.ok)

  it.each(['linux-6.12', 'linux-6.1', 'linux-5.10', 'linux-4.8'])('%s moves data on either processor', (profile) => {
    expect(ioOf(boot(profile))).toEqual([true, true, true])
    expect(ioOf(boot(profile, { cpu: 'bmips4350', memory: 64 * MIB }))).toEqual([true, true, true])
  })

  it.each([
    ['bmips5000', true, 7],
    ['bmips5000', false, 0],
    ['bmips4350', true, 7],
    ['bmips4350', false, 0],
  ] as const)(
    'on a %s, flush after DMA %s: a buffer whose neighbour was read meanwhile has %i',
    (cpu, aheadFlush, got) => {
      const { machine } = bcm3384({ cpu, memory: 64 * MIB, devices: [] })
      const { bus, witness } = machine
      const processor = identifyProcessor(bus)
      if (typeof processor === 'string') throw new Error(processor)
      const { coherency } = maintainedCaches(processor, bus, { cacheMaintenance: true, aheadFlush }).partsOf({
        id: 'x',
      })
      const pages = { allocate: () => null, free: () => {} }
      const dma = new DirectDma({ owner: 'x', maskBits: 32, pages, witness, ...(coherency && { coherency }) })
      const buffer = cpu === 'bmips5000' ? 0x200_0000 : 0x680_0000
      const mapping = dma.map(buffer, 4096, 'from-device', 'a test')!
      bus.read32(buffer - 4)
      // What a device writes goes past the caches.
      bus.write8(buffer + bus.uncachedOffset!, 7)
      dma.unmap(mapping)
      expect(bus.read8(buffer)).toBe(got)
    },
  )

  it('interrupts by pins: nothing takes messages', () => {
    const { devices } = boot('linux-6.12')
    const mode = devices.filter(({ driver }) => driver !== null).map(({ interrupt }) => interrupt.mode)
    expect(mode).toEqual(['intx', 'intx', 'intx'])
  })

  it('kernels before 5.18 read windows the wrong way round, which shows where two banks are not exchanged', () => {
    const location = { text: 'test' }
    const inbound = [{ windows: [{ bus: 0x4000_0000, memory: 0, size: 256 * MIB }], location }]
    expect(ioOf(boot('linux-6.12', { inbound }))).toEqual([true, true, true])
    expect(ioOf(boot('linux-5.10', { inbound }))).not.toContain(true)
  })

  it('stops without a tree, and on a processor that it does not know', () => {
    const { bus } = fakeBus({ [PRID]: 0x0002_5a11 })
    const witness = { phase: () => {}, grant: () => 0, revoke: () => {} }
    const start = (bus: CpuBus, entry = {}): string | null =>
      bootGuest(bus, { profile: 'linux-6.12', witness, architecture: 'mipsel', entry }).halted ?? null
    expect(start(bus)).toBe('no dtb found')
    expect(start(fakeBus({}).bus, { deviceTree: 0x100_0000 })).toMatch(/Unknown Broadcom CPU/)
    expect(start(bus, { deviceTree: 0x100_0000 })).not.toBeNull()
  })
})
