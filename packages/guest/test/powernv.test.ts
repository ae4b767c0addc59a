import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runSkiboot } from '../../firmware/src/index.ts'
import { createMachine, type DeviceDescription, type MachineDescription } from '../../machine/src/index.ts'
import { bootGuest, type GuestResult } from '../src/index.ts'
import { busLike } from './support/bus-of.ts'

const NAMES: Readonly<Record<number, string>> = {
  26: 'OPAL_PCI_EEH_FREEZE_CLEAR',
  27: 'OPAL_PCI_PHB_MMIO_ENABLE',
  28: 'OPAL_PCI_SET_PHB_MEM_WINDOW',
  29: 'OPAL_PCI_MAP_PE_MMIO_WINDOW',
  31: 'OPAL_PCI_SET_PE',
  32: 'OPAL_PCI_SET_PELTV',
  37: 'OPAL_PCI_SET_XIVE_PE',
  40: 'OPAL_GET_MSI_64',
  44: 'OPAL_PCI_MAP_PE_DMA_WINDOW',
  45: 'OPAL_PCI_MAP_PE_DMA_WINDOW_REAL',
  49: 'OPAL_PCI_RESET',
  126: 'OPAL_PCI_TCE_KILL',
  128: 'OPAL_XIVE_RESET',
  129: 'OPAL_XIVE_GET_IRQ_INFO',
  131: 'OPAL_XIVE_SET_IRQ_CONFIG',
}
const CONFIG_CALLS = new Set([13, 14, 15, 16, 17, 18])
const FREEZE_STATUS = 23

const device = (model: string, bus: string, more: Partial<DeviceDescription> = {}): DeviceDescription => ({
  model,
  bus,
  properties: {},
  location: { text: 'a test' },
  ...more,
})

const PLATFORM = { iommu_platform: true, 'disable-legacy': 'on' } as const

interface Booted {
  readonly result: GuestResult
  /** The calls that the kernel made, runs of the same once, but for configuration space. */
  readonly calls: readonly string[]
  readonly translated: number
  readonly untranslated: number
  readonly faulted: number
}

function boot(
  devices: readonly DeviceDescription[],
  {
    append = '',
    behind = (bus) => bus,
    ...more
  }: Partial<MachineDescription> & { behind?: (bus: CpuBus) => CpuBus } = {},
): Booted {
  const { machine, deviceTree } = createMachine({
    machine: 'powernv9',
    qemuVersion: '11.1',
    name: 'powernv9',
    source: 'qemu',
    memory: 1 << 30,
    cpus: 1,
    defaultDevices: true,
    machineProperties: {},
    append,
    ignored: [],
    devices,
    ...more,
  })
  try {
    const tree = runSkiboot(machine.bus, { deviceTree: deviceTree ?? 0 }).deviceTree
    machine.endFirmwarePhase()
    const calls: string[] = []
    const { bus } = machine
    const counted = busLike(bus, {
      hypercall: (token, args, out) => {
        const code = bus.hypercall!(token, args, out)
        const line = `${NAMES[token] ?? token} ${code}`
        if (!CONFIG_CALLS.has(token) && token !== FREEZE_STATUS && calls.at(-1) !== line) calls.push(line)
        return code
      },
    })
    const result = bootGuest(behind(counted), {
      profile: 'linux-6.12',
      architecture: 'ppc64',
      witness: machine.witness,
      ...(tree !== null && { entry: { deviceTree: tree } }),
    })
    const sums = { translated: 0, untranslated: 0, faulted: 0 }
    for (const { dma } of machine.observe()) {
      for (const phase of ['probe', 'self-test'] as const) {
        sums.translated += dma[phase].translated
        sums.untranslated += dma[phase].untranslated
        sums.faulted += dma[phase].faulted
      }
    }
    return { result, calls, ...sums }
  } finally {
    machine.dispose()
  }
}

const groupsOf = ({ result }: Booted): (readonly [string, number | null])[] =>
  result.devices.map(({ id, iommuGroup }) => [id, iommuGroup])
const ioOf = ({ result }: Booted): (boolean | null)[] =>
  result.devices.filter(({ io }) => io.attempted).map(({ io }) => io.ok)

describe('the kernel sets a host bridge up, in the order of Linux', () => {
  it('tables, M64 window, endpoints, TCE window, bypass window, messages', () => {
    const { calls, result } = boot([device('virtio-blk-pci', 'rp', { properties: PLATFORM })], {
      defaultDevices: false,
      devices: [
        { model: 'pnv-phb', id: 'phb0', properties: { index: 0 }, location: { text: 'a test' } },
        device('pnv-phb-root-port', 'phb0', { id: 'rp' }),
        device('virtio-blk-pci', 'rp', { properties: PLATFORM }),
      ],
    })
    expect(calls).toEqual([
      'OPAL_XIVE_RESET 0',
      'OPAL_PCI_RESET 0',
      'OPAL_PCI_SET_PHB_MEM_WINDOW 0',
      'OPAL_PCI_PHB_MMIO_ENABLE 0',
      // The endpoint of the root bus, which has no windows.
      'OPAL_PCI_EEH_FREEZE_CLEAR 0',
      'OPAL_PCI_SET_PE 0',
      'OPAL_PCI_SET_PELTV 0',
      'OPAL_PCI_EEH_FREEZE_CLEAR 0',
      'OPAL_PCI_SET_PE 0',
      'OPAL_PCI_SET_PELTV 0',
      'OPAL_PCI_MAP_PE_MMIO_WINDOW 0',
      'OPAL_PCI_MAP_PE_DMA_WINDOW 0',
      'OPAL_PCI_TCE_KILL 0',
      'OPAL_PCI_MAP_PE_DMA_WINDOW_REAL 0',
      // The function's messages: for its configuration, and for its queue.
      ...[0, 1].flatMap(() => [
        'OPAL_PCI_SET_XIVE_PE 0',
        'OPAL_GET_MSI_64 0',
        'OPAL_XIVE_GET_IRQ_INFO 0',
        'OPAL_XIVE_SET_IRQ_CONFIG 0',
      ]),
    ])
    expect(result.devices.map(({ domain, dmaPath }) => [domain, dmaPath])).toEqual([
      ['none', null],
      ['unknown', 'direct'],
    ])
  })
})

describe('endpoints', () => {
  it('are buses; that of memory in the 64-bit window has the number of its segment, others come from the top', () => {
    const { result } = boot([device('virtio-rng-pci', 'pcie.0'), device('e1000e', 'pcie.3')])
    const configured = result.timeline.filter((line) => line.includes('Configured PE#'))
    expect(configured.filter((line) => /0000:|0003:/.test(line))).toEqual([
      'pci 0000:00:00.0: Configured PE#1fe',
      'pci 0000:01:00.0: Configured PE#0',
      'pci 0003:00:00.0: Configured PE#1fe',
      'pci 0003:01:00.0: Configured PE#1fd',
    ])
  })

  it('take all that is below a bridge to conventional PCI together; functions of a slot, too', () => {
    const booted = boot([
      device('pcie-pci-bridge', 'pcie.0', { id: 'br' }),
      device('virtio-rng-pci', 'br', { addr: { device: 1, function: 0 } }),
      device('virtio-rng-pci', 'br', { addr: { device: 2, function: 0 }, properties: PLATFORM }),
      device('virtio-rng-pci', 'pcie.1', { addr: { device: 0, function: 0 }, properties: { multifunction: true } }),
      device('virtio-rng-pci', 'pcie.1', { addr: { device: 0, function: 1 } }),
    ])
    expect(groupsOf(booted).filter(([, group]) => group !== null)).toEqual([
      ['0000:02:01.0', 0],
      ['0000:02:02.0', 0],
      ['0001:01:00.0', 1],
      ['0001:01:00.1', 1],
    ])
    expect(ioOf(booted)).toEqual([true, true, true, true])
  })

  it('of ports of a switch are one each, and those of bridges alone are no groups', () => {
    const booted = boot([
      device('x3130-upstream', 'pcie.1', { id: 'up' }),
      device('xio3130-downstream', 'up', { id: 'dn0', properties: { chassis: 9, slot: 1 } }),
      device('xio3130-downstream', 'up', { id: 'dn1', properties: { chassis: 9, slot: 2 } }),
      device('virtio-rng-pci', 'dn0'),
      device('virtio-rng-pci', 'dn1', { properties: PLATFORM }),
    ])
    expect(groupsOf(booted).filter(([, group]) => group !== null)).toEqual([
      ['0001:03:00.0', 0],
      ['0001:04:00.0', 1],
    ])
    expect(ioOf(booted)).toEqual([true, true])
  })
})

describe('DMA', () => {
  it('passes at 2^59 by default, and is translated with iommu=nobypass', () => {
    const devices = [device('virtio-blk-pci', 'pcie.0', { properties: PLATFORM }), device('nvme', 'pcie.1')]
    const passed = boot(devices)
    expect([ioOf(passed), passed.translated, passed.untranslated > 0]).toEqual([[true, true], 0, true])
    const translated = boot(devices, { append: 'iommu=nobypass' })
    expect([ioOf(translated), translated.untranslated, translated.translated > 0]).toEqual([[true, true], 0, true])
    expect(translated.calls).not.toContain('OPAL_PCI_MAP_PE_DMA_WINDOW_REAL 0')
  })

  it('of a virtio device without ACCESS_PLATFORM goes past, and a machine that lets it not freezes its endpoint', () => {
    const devices = [device('virtio-rng-pci', 'pcie.0')]
    expect(ioOf(boot(devices))).toEqual([true])
    const physical = boot(devices, { hypervisor: 'physical-no-flag' })
    expect([ioOf(physical), physical.faulted > 0]).toEqual([[false], true])
    expect(physical.result.timeline).toContain('iommu-phb0000: EEH: Frozen PHB#0-PE#0 detected')
  })

  it('needs no messages: pins come by the maps of bridges', () => {
    const booted = boot(
      [
        device('pcie-pci-bridge', 'pcie.0', { id: 'br' }),
        device('virtio-rng-pci', 'br', { addr: { device: 2, function: 0 } }),
        device('virtio-rng-pci', 'pcie.1'),
      ],
      { append: 'pci=nomsi' },
    )
    expect(ioOf(booted)).toEqual([true, true])
    const whys = booted.result.devices
      .flatMap(({ why }) => why.map(({ fact, source }) => `${fact} ${source}`))
      .join('\n')
    expect(whys).toContain('INTA of 0000:02:02.0 is source 1044474')
    expect(whys).toContain('INTA of 0001:01:00.0 is source 1040376')
  })
})

describe('hostile firmware', () => {
  it('calls that answer anything neither throw nor hang the kernel', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 131 }), fc.integer({ min: -10, max: 3 }), (refused, code) => {
        const { result } = boot([device('virtio-rng-pci', 'pcie.0', { properties: PLATFORM })], {
          behind: (bus) =>
            busLike(bus, {
              hypercall: (token, args, out) => (token === refused ? code : bus.hypercall!(token, args, out)),
            }),
        })
        expect(result.timeline.length).toBeGreaterThan(0)
      }),
      // A boot each: as many as take a second.
      { numRuns: 10 },
    )
  })
})
