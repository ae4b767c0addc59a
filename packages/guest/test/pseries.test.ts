import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DeviceDescription, MachineDescription } from '../../machine/src/index.ts'
import { bootGuest, type CpuTrace, recordCpuBus, replayCpuBus } from '../src/index.ts'
import { busLike } from './support/bus-of.ts'
import { counted, type PartitionOptions, partition } from './support/partition.ts'
import { ACCESS_PLATFORM, device, disk } from './support/test-machine.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 15) }
const RNG = device('virtio-rng-pci', 2, ACCESS_PLATFORM)

/** Boots, and gives the machine back. */
function boot(devices: readonly DeviceDescription[], options: PartitionOptions = {}) {
  const { machine, result, calls } = partition(devices, options)
  const seen = machine.observe()
  machine.dispose()
  return { result, calls, seen, log: result.timeline.join('\n') }
}

/** Position of the first call, or line, of this kind. */
const first = (all: readonly string[], start: string): number => all.findIndex((one) => one.startsWith(start))

describe('the boot of a partition', () => {
  const { result, calls, log } = boot([RNG, device('e1000e', 3)])

  it('asks in the order in which Linux does', () => {
    // 1. The interrupt controller is reset before PCI is probed; 2. functions are read; 3. a driver's DMA mask asks for
    // a window, 4. makes it and 5. maps all memory in it; 6. messages are asked for, 7. looked up, 8. their sources
    // described, 9. routed and 10. let through.
    const order = [
      'H_INT_RESET 0',
      'ibm,read-pci-config 0',
      'ibm,query-pe-dma-window 0',
      'ibm,create-pe-dma-window 0',
      'H_PUT_TCE_INDIRECT 0',
      'ibm,change-msi 0',
      'ibm,query-interrupt-source-number 0',
      'H_INT_GET_SOURCE_INFO 0',
      'H_INT_SET_SOURCE_CONFIG 0',
      'H_INT_ESB 0',
    ]
    const at = order.map((call) => first(calls, call))
    expect(at).toEqual([...at].sort((a, b) => a - b))
    expect(at).not.toContain(-1)
  })

  it('asks for one window a host bridge, and maps memory there once', () => {
    expect(calls.filter((call) => call.startsWith('ibm,query-pe-dma-window'))).toHaveLength(1)
    expect(calls.filter((call) => call.startsWith('H_PUT_TCE'))).toEqual(['H_PUT_TCE_INDIRECT 0'])
  })

  it('says what it found', () => {
    const lines = result.timeline
    const order = [
      'PCI host bridge /pci@800000020000000, domain 0000',
      'xive: ',
      'PCI: Probing',
      'IOMMU table initialized',
    ]
    const at = order.map((line) => first(lines, line))
    expect(at).not.toContain(-1)
    expect(at).toEqual([...at].sort((a, b) => a - b))
    expect(log).toContain('Adding to iommu group 0')
    expect(log).toContain('ibm,create-pe-dma-window(2027) 1000 8000000 20000000 18 1d returned 0')
  })

  it('gives all devices of a host bridge one group, and the domain type that sysfs has', () => {
    expect(result.devices.map(({ iommuGroup, domain, dmaPath }) => [iommuGroup, domain, dmaPath])).toEqual([
      [0, 'unknown', 'iommu'],
      [0, 'unknown', 'iommu'],
    ])
    expect(result.iommus).toMatchObject([{ id: 'iommu-phb0000', kind: 'tce', base: null, enabled: true }])
  })
})

describe('the window of a device', () => {
  const windowOf = (options: PartitionOptions, devices = [RNG]): string => {
    const { result, seen } = boot(devices, options)
    const [one] = result.devices
    expect(one?.io.ok).toBe(true)
    expect(seen[0]?.dma['self-test'].translated).toBeGreaterThan(0)
    const said = one?.why.map(({ fact }) => fact).join('\n') ?? ''
    return said.includes('in the dynamic window') ? 'dynamic' : said.includes('default window') ? 'default' : 'none'
  }
  const q72 = { qemuVersion: '7.2' } as const

  it.each<[string, PartitionOptions, string]>([
    ['a dynamic one, where there is one', {}, 'dynamic'],
    ['the default one, with disable_ddw', { more: { append: 'disable_ddw' } }, 'default'],
    ['the default one, where the host bridge has no other', { more: { hostBridge: { ddw: false } } }, 'default'],
    // ibm,lrdr-capacity of 7.2 says 0 bytes without memory to come: newer kernels ask for that much.
    ['the default one, on QEMU 7.2 with Linux 6.12', { more: q72 }, 'default'],
    ['a dynamic one, on QEMU 7.2 with Linux 6.1', { profile: 'linux-6.1', more: q72 }, 'dynamic'],
    ['a dynamic one, with memory to come', { more: { ...q72, maxMemory: 2 ** 32 } }, 'dynamic'],
  ])('is %s', (_what, options, window) => {
    expect(windowOf(options)).toBe(window)
  })

  it('is the default one for a device of fewer address bits', () => {
    const { result } = boot([device('dmascope-probe', 2)])
    const said = result.devices[0]?.why.map(({ fact }) => fact).join('\n')
    expect(said).toContain('default window')
    expect(result.devices[0]?.io.ok).toBe(true)
  })

  it('fails with the call, and the default one is taken', () => {
    const { log, calls } = boot([RNG], { more: q72 })
    expect(calls).toContain('ibm,create-pe-dma-window -3')
    expect(log).toContain('18 0 returned -3')
  })

  it('covers more than memory, where more may come', () => {
    const { result } = boot([RNG], { more: { maxMemory: 2 ** 32 } })
    expect(result.iommus[0]?.why.map(({ fact }) => fact).join()).toMatch(/dynamic window of 2\^3[23] bytes/)
  })

  it('is none without access to the platform: addresses are physical', () => {
    const { result, seen } = boot([disk(2)])
    expect(result.devices[0]).toMatchObject({ iommuGroup: 0, dmaPath: 'physical', io: { ok: true } })
    const { translated, untranslated } = seen[0]!.dma['self-test']
    expect([translated, untranslated > 0]).toEqual([0, true])
  })

  it('is none with iommu=off, and DMA that is translated all the same goes nowhere', () => {
    const { result, calls } = boot([RNG], { more: { append: 'iommu=off' } })
    expect(result.iommus).toEqual([])
    expect(result.devices[0]).toMatchObject({ iommuGroup: null, domain: 'none', dmaPath: 'direct', io: { hung: true } })
    expect(calls.join()).not.toMatch(/TCE|pe-dma-window/)
  })
})

describe('host bridges', () => {
  it('have a segment, a group and windows each', () => {
    const { addr: _, ...bridge } = device('spapr-pci-host-bridge', 0, { index: 2 }, { id: 'p2' })
    const { result } = boot([
      bridge,
      device('virtio-rng-pci', 1, ACCESS_PLATFORM, { bus: 'p2.0' }),
      { ...RNG, bus: 'pci.0' },
    ])
    expect(result.devices.map(({ id, iommuGroup, io }) => [id, iommuGroup, io.ok])).toEqual([
      ['0000:00:02.0', 0, true],
      ['0002:00:01.0', 1, true],
    ])
    expect(result.iommus.map(({ id }) => id)).toEqual(['iommu-phb0000', 'iommu-phb0002'])
  })

  it('have bridges below them, whose devices are in their group', () => {
    const bridge = device('pci-bridge', 2, { chassis_nr: 1 }, { id: 'b1' })
    const { result } = boot([bridge, device('virtio-rng-pci', 3, ACCESS_PLATFORM, { bus: 'b1' })])
    expect(result.devices.map(({ id, iommuGroup }) => [id, iommuGroup])).toEqual([
      ['0000:00:02.0', 0],
      ['0000:01:03.0', 0],
    ])
    expect(result.devices[1]?.io.ok).toBe(true)
  })
})

describe('interrupts', () => {
  it.each<[string, Partial<MachineDescription>, readonly string[], readonly string[]]>([
    ['XIVE', {}, ['H_INT_SET_SOURCE_CONFIG 0'], ['ibm,set-xive 0', 'H_EOI 0']],
    [
      'XICS',
      { machineProperties: { 'ic-mode': 'xics' } },
      ['ibm,set-xive 0', 'ibm,int-on 0', 'H_EOI 0'],
      ['H_INT_SET_SOURCE_CONFIG 0', 'H_INT_ESB 0'],
    ],
    ['XICS, before POWER9', { cpu: 'power8' }, ['ibm,set-xive 0', 'H_EOI 0'], ['H_INT_ESB 0']],
  ])('are messages, by %s', (_what, more, made, never) => {
    const { result, calls } = boot([RNG], { more })
    expect(result.devices[0]?.interrupt).toMatchObject({ mode: 'msix', lost: 0 })
    expect(result.devices[0]?.interrupt.delivered).toBeGreaterThan(0)
    for (const call of made) expect(calls).toContain(call)
    for (const call of never) expect(calls).not.toContain(call)
  })

  it('are pins by interrupt-map, for a device without messages', () => {
    const { result, calls } = boot([device('virtio-rng-pci', 2, { ...ACCESS_PLATFORM, vectors: 0 })])
    expect(result.devices[0]?.interrupt).toMatchObject({ mode: 'intx', lost: 0 })
    expect(result.devices[0]?.io.ok).toBe(true)
    expect(calls.join()).not.toContain('ibm,change-msi')
  })
})

describe('a recording of a partition', () => {
  it('leads to the same decisions, with no machine behind it', () => {
    let trace: CpuTrace | null = null
    const { machine, result, tree } = partition([RNG, device('e1000e', 3)], {
      behind(bus) {
        const recorded = recordCpuBus(bus)
        trace = recorded.trace
        return recorded.bus
      },
    })
    machine.dispose()
    const bus = replayCpuBus(JSON.parse(JSON.stringify(trace)) as CpuTrace)
    const witness = { grant: () => 0, revoke: () => {}, phase: () => {} }
    const entry = { deviceTree: tree }
    // The test's own looks at what RTAS answers are on the recording, too.
    const again = bootGuest(counted(bus, []), { profile: 'linux-6.12', witness, architecture: 'ppc64', entry })
    expect(bus.divergence).toBeNull()
    expect(again).toEqual(result)
    expect(bus.remaining).toBe(0)
  })

  it('tells of a call that is another', () => {
    const operations = [['h', 0x20, [1, 0], 0, [5]]] as const
    const bus = replayCpuBus({ version: 1, ports: false, hypercalls: true, operations })
    const out = Uint32Array.of(1)
    expect([bus.hypercall?.(0x20, Uint32Array.of(2, 0), out), out[0]]).toEqual([-2, 0])
    expect(bus.divergence).toBe('operation 0: the guest did h 0x20 0x2 0x0, recorded was h 0x20 1,0 0 5')
    expect(replayCpuBus({ version: 1, ports: false, operations }).hypercall).toBeUndefined()
  })
})

describe('a machine that is none', () => {
  const NOBODY = { grant: () => 0, revoke: () => {}, phase: () => {} }
  const empty = {
    read8: () => 0xff,
    read16: () => 0xffff,
    read32: () => 0xffff_ffff,
    write8() {},
    write16() {},
    write32() {},
    readBytes: (_address: number, into: Uint8Array) => void into.fill(0xff),
    writeBytes() {},
    nextInterrupt: () => -1,
    idle: () => true,
  } satisfies CpuBus

  it.each([
    ['without device tree', empty, {}, 'r3 points to no device tree'],
    ['with garbage for a tree', empty, { deviceTree: 0x1000 }, 'no device tree at 0x1000'],
  ])('halts the kernel: %s', (_what, bus, entry, why) => {
    const result = bootGuest(bus, { profile: 'linux-6.12', witness: NOBODY, architecture: 'ppc64', entry })
    expect(result).toMatchObject({ booted: false, devices: [] })
    expect(result.halted).toContain(why)
  })

  it('halts the kernel: without hypervisor', () => {
    const behind = (bus: CpuBus): CpuBus => ({
      ...empty,
      readBytes: (address, into) => bus.readBytes(address, into),
    })
    const { machine, result } = partition([RNG], { behind })
    machine.dispose()
    // No call is answered, and no function is found.
    expect(result.devices).toEqual([])
  })

  it('is taken as it is, whatever its calls answer and its memory holds', () => {
    const answer = fc.oneof(fc.constant(0), fc.integer({ min: -100, max: 2 ** 31 - 1 }))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(40), answer), { maxLength: 6 }),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 20 }),
        (answers, damage) => {
          let made = 0
          let read = 0
          const behind = (bus: CpuBus): CpuBus =>
            busLike(bus, {
              readBytes(address, into) {
                bus.readBytes(address, into)
                read++
                for (const [which, value] of damage)
                  if (which === read % 121 && into.length > 0) into[value % into.length] = value
              },
              hypercall(number, args, out) {
                made++
                const wrong = answers.find(([which]) => which === made % 41)
                return wrong === undefined ? bus.hypercall!(number, args, out) : wrong[1]
              },
            })
          const { machine, result } = partition([RNG, device('e1000e', 3)], { behind })
          machine.dispose()
          expect(Array.isArray(result.timeline)).toBe(true)
        },
      ),
      RUNS,
    )
  })
})
