import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, describePreset, findPreset } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { bootMachine, type Cell, describeCell, runCell, startGuest } from '../src/index.ts'

type Asked = readonly [guest: string, hypervisor: Cell['hypervisor'], device: Cell['device'], expected: string]

/** Status and verdict; or why there is no such machine. */
function outcome(platform: Cell['platform'], [guest, hypervisor, device]: Asked): string {
  const result = runCell({ guest, hypervisor, platform, iommu: 'none', device })
  return 'impossible' in result ? String(result.impossible) : `${result.status} ${result.verdict}`
}

describe('cells on bmips: banks exchanged, and caches', () => {
  it.each<Asked>([
    ['linux-6.12', 'physical', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'physical', 'e1000e', 'passthrough works'],
    // The table of kernels before 5.18 comes to the same here.
    ['linux-5.10', 'physical', 'nvme', 'passthrough works'],
    ['linux-4.4', 'physical', 'e1000e', 'passthrough works'],
    // Memory’s own addresses lead into the other bank.
    ['linux-6.12', 'physical-no-flag', 'virtio-blk', 'passthrough corrupts'],
    ['linux-4.4', 'physical', 'virtio-net', 'passthrough corrupts'],
    ['linux-6.12,bus-windows=off', 'physical', 'e1000e', 'passthrough corrupts'],
    ['linux-6.12,cache-maintenance=off', 'physical', 'e1000e', 'passthrough corrupts'],
    // A hypervisor’s devices need not go by the bus, and have no cache between.
    ['linux-6.12', 'qemu', 'virtio-blk', 'passthrough works'],
    ['linux-6.12', 'qemu', 'virtio-blk+platform', 'passthrough works'],
    ['linux-6.12', 'qemu', 'e1000e', 'passthrough works'],
    ['linux-6.12,bus-windows=off', 'qemu', 'virtio-blk', 'passthrough works'],
    ['linux-6.12,bus-windows=off', 'qemu', 'e1000e', 'passthrough corrupts'],
  ])('%s/%s/%s: %s', (...asked) => {
    expect(outcome('bmips', asked)).toBe(asked[3])
  })
})

describe('cells on bmips-viper: no windows, and a cache that reads ahead', () => {
  it.each<Asked>([
    ['linux-6.12', 'physical', 'e1000e', 'passthrough works'],
    ['linux-6.12', 'physical', 'virtio-rng', 'passthrough works'],
    ['linux-6.12,bus-windows=off', 'physical', 'e1000e', 'passthrough works'],
    ['linux-6.12,ahead-flush=off', 'physical', 'e1000e', 'passthrough corrupts'],
    ['linux-6.12,ahead-flush=off', 'physical', 'nvme', 'passthrough corrupts'],
    ['linux-6.12,ahead-flush=off', 'physical', 'virtio-rng', 'passthrough corrupts'],
    ['linux-6.12,ahead-flush=off', 'qemu', 'e1000e', 'passthrough works'],
    ['linux-6.12', 'physical-no-flag', 'virtio-blk', 'passthrough hangs'],
    ['linux-6.12', 'qemu', 'virtio-blk', 'passthrough works'],
  ])('%s/%s/%s: %s', (...asked) => {
    expect(outcome('bmips-viper', asked)).toBe(asked[3])
  })
})

describe('virtio transports on the chip’s own bus', () => {
  const boot = (guest: string, hypervisor: 'physical' | 'physical-no-flag' | 'qemu', iommu_platform: boolean) => {
    const { report } = bootMachine({
      description: {
        ...describePreset(findPreset('bmips')),
        hypervisor,
        devices: [{ model: 'virtio-blk-device', properties: { iommu_platform }, location: { text: 'test' } }],
      },
      guest,
    })
    const disk = report.devices.find(({ kind }) => kind === 'virtio-blk')
    return `${disk?.guest.dmaPath} ${disk?.interrupt.mode} ${disk?.verdict}`
  }

  it.each([
    ['linux-6.12', 'physical', false, 'direct wire works'],
    ['linux-5.10', 'physical', false, 'direct wire works'],
    ['linux-6.12', 'physical-no-flag', false, 'physical wire corrupts'],
    ['linux-6.12,bus-windows=off', 'physical', false, 'direct wire corrupts'],
    ['linux-6.12,cache-maintenance=off', 'physical', false, 'direct wire hangs'],
    // A hypervisor’s are wired past the bus unless they ask for what the platform does.
    ['linux-6.12', 'qemu', false, 'physical wire works'],
    ['linux-6.12,bus-windows=off', 'qemu', false, 'physical wire works'],
    ['linux-6.12', 'qemu', true, 'direct wire works'],
    ['linux-6.12,bus-windows=off', 'qemu', true, 'direct wire corrupts'],
  ] as const)('%s on %s, iommu_platform %s: %s', (guest, hypervisor, asks, expected) => {
    expect(boot(guest, hypervisor, asks)).toBe(expected)
  })
})

it('shows a card that was wired past the bus, though nothing describes it so', () => {
  const boot = (isRewired: boolean) => {
    const built = createMachine(describePreset(findPreset('bmips')))
    if (isRewired) built.machine.rewire('0000:00:05.0', false)
    const { result } = startGuest(built, 'linux-6.12')
    const seen = built.machine.observe()
    built.machine.dispose()
    const io = result.devices.find(({ id }) => id === '0000:00:05.0')?.io
    return { ok: io?.ok, strays: seen.find(({ id }) => id === '0000:00:05.0')?.strays.length }
  }
  expect(boot(false)).toEqual({ ok: true, strays: 0 })
  const { ok, strays } = boot(true)
  expect(ok).toBe(false)
  expect(strays).toBeGreaterThan(0)
})

it('assigns nothing there', () => {
  const cell: Cell = { guest: 'linux-6.12', hypervisor: 'qemu', platform: 'bmips', iommu: 'none', device: 'assigned' }
  expect(describeCell(cell).impossible).toBeNull()
  expect(outcome('bmips', ['linux-6.12', 'qemu', 'assigned', ''])).toMatch(/vfio-pci on a bcm3384 is not modelled/)
})

it.each(['bmips', 'bmips-viper'])('the CPU seam of %s carries all that the kernel learns', (name) => {
  const { machine, deviceTree } = createMachine(describePreset(findPreset(name)))
  machine.endFirmwarePhase()
  const options = { profile: 'linux-6.12', architecture: 'mipsel', entry: { deviceTree: deviceTree! } } as const
  const { bus, trace } = recordCpuBus(machine.bus)
  const first = bootGuest(bus, { ...options, witness: machine.witness })
  machine.dispose()
  const silent = { grant: () => 0, revoke: () => {}, phase: () => {} }
  const replayed = replayCpuBus(trace)
  expect(bootGuest(replayed, { ...options, witness: silent })).toEqual(first)
  expect(replayed).toMatchObject({ divergence: null, remaining: 0 })
  expect(first.devices.filter(({ driver }) => driver !== null)).toHaveLength(5)
})
