import type { CpuBus } from '@dmascope/memory/contracts'
import { describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription, type MachineDescription } from '../../machine/src/index.ts'
import { bootGuest } from '../src/index.ts'
import { busLike } from './support/bus-of.ts'

const MIB = 2 ** 20
const DART_CNTL = 0xf803_3000

const device = (model: string, properties: DeviceDescription['properties'] = {}): DeviceDescription => ({
  model,
  properties,
  location: { text: 'a test' },
})

interface Watched {
  readonly bus: CpuBus
  readonly controls: number[]
}

const swap32 = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0

/** The same bus, with what software writes to the DART's control register. */
function watch(bus: CpuBus, read?: (value: number) => number): Watched {
  const controls: number[] = []
  return {
    controls,
    bus: busLike(bus, {
      read32: (address) =>
        address === DART_CNTL && read !== undefined ? read(bus.read32(address)) : bus.read32(address),
      write32(address, value) {
        if (address === DART_CNTL) controls.push(swap32(value))
        bus.write32(address, value)
      },
    }),
  }
}

function boot(more: Partial<MachineDescription> = {}, read?: (value: number) => number) {
  const { machine, deviceTree } = createMachine({
    machine: 'mac99',
    qemuVersion: '11.1',
    name: 'mac99',
    source: 'qemu',
    hypervisor: 'physical',
    memory: 2048 * MIB,
    cpus: 1,
    defaultDevices: false,
    machineProperties: {},
    append: '',
    ignored: [],
    devices: [device('nvme', { serial: 'mac' })],
    ...more,
  })
  try {
    machine.endFirmwarePhase()
    const { bus, controls } = watch(machine.bus, read)
    const result = bootGuest(bus, {
      profile: 'linux-6.12',
      witness: machine.witness,
      architecture: 'ppc64',
      entry: { deviceTree: deviceTree! },
    })
    const seen = machine.observe().at(-1)!
    return { result, device: result.devices.at(-1), controls, strays: seen.strays, text: result.timeline.join('\n') }
  } finally {
    machine.dispose()
  }
}

describe('a kernel on a G5', () => {
  it('turns the DART on in this order: base and size, flush; and flushes with each mapping', () => {
    const { device: one, controls, result } = boot()
    expect(one).toMatchObject({ io: { ok: true }, dmaPath: 'iommu', interrupt: { mode: 'intx' } })
    // 512 pages of table do not fit into the field: it says 0. Then FLUSHTLB.
    const [first, second] = controls
    expect(first! & 0xfff).toBe(0x200)
    expect(first! & 0xffff_f000).toBeLessThan(2 ** 31)
    expect(second).toBe((first! | 0x400) >>> 0)
    expect(controls.length).toBeGreaterThan(4)
    expect(result.iommus).toMatchObject([{ kind: 'dart', enabled: true, default: 'dma' }])
  })

  it('leaves it off with iommu=off, and with a GiB of memory unless iommu=force', () => {
    expect(boot({ append: 'iommu=off' })).toMatchObject({ controls: [], device: { dmaPath: 'direct' } })
    expect(boot({ memory: 1024 * MIB })).toMatchObject({ controls: [], device: { dmaPath: 'direct' } })
    const forced = boot({ memory: 1024 * MIB, append: 'iommu=force' })
    expect(forced).toMatchObject({ device: { dmaPath: 'iommu', io: { ok: true } } })
  })

  it('finds none on QEMU’s', () => {
    expect(boot({ hypervisor: 'qemu' })).toMatchObject({
      controls: [],
      result: { iommus: [] },
      device: { dmaPath: 'direct' },
    })
  })

  it('has physical addresses end up on one page that is nobody’s: no fault, and nothing works', () => {
    const { device: one, strays } = boot({ hypervisor: 'physical-no-flag', devices: [device('virtio-blk-pci')] })
    expect(one).toMatchObject({ dmaPath: 'physical', io: { ok: false } })
    const pages = new Set(strays.map(({ physical }) => Math.floor(Number(physical) / 4096)))
    expect(pages.size).toBe(1)
  })

  it('panics where the TLB never flushes', () => {
    const { result } = boot({}, (value) => (value | 0x0004_0000) >>> 0)
    expect(result).toMatchObject({ booted: false, halted: expect.stringMatching(/TLB did not flush/) })
  })

  it('stops with a word where the tree has no host bridge', () => {
    const { machine } = createMachine({ ...EMPTY, memory: 256 * MIB })
    const blob = new Uint8Array(0x4000)
    machine.bus.readBytes(0x480_0000, blob)
    const at = blob.findIndex((_, index) => new TextDecoder().decode(blob.subarray(index, index + 6)) === 'u3-agp')
    machine.bus.write8(0x480_0000 + at, 0x58)
    const result = bootGuest(machine.bus, {
      profile: 'linux-6.12',
      witness: machine.witness,
      architecture: 'ppc64',
      entry: { deviceTree: 0x480_0000 },
    })
    machine.dispose()
    expect(result.halted).toMatch(/no PCI host bridge/)
  })
})

const EMPTY: MachineDescription = {
  machine: 'mac99',
  qemuVersion: '11.1',
  name: 'mac99',
  source: 'qemu',
  memory: 256 * MIB,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  append: '',
  ignored: [],
  devices: [],
}
