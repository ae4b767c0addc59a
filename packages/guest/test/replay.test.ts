import { describe, expect, it } from 'vitest'
import { bootGuest, type CpuTrace, type GuestResult, recordCpuBus, replayCpuBus } from '../src/index.ts'
import { ACCESS_PLATFORM, device, disk, machineWith, VTD } from './support/test-machine.ts'

const NOBODY = { grant: () => 0, revoke: () => {}, phase: () => {} }

/** Boots on a machine, and keeps what went over its bus. */
function record(prepare: (machine: ReturnType<typeof machineWith>) => void = () => {}): {
  result: GuestResult
  trace: CpuTrace
} {
  const machine = machineWith([VTD, disk(2, ACCESS_PLATFORM), device('virtio-rng-pci', 3)], {
    append: 'intel_iommu=on',
  })
  prepare(machine)
  const { bus, trace } = recordCpuBus(machine.bus)
  const result = bootGuest(bus, { profile: 'linux-6.12', witness: machine.witness })
  return { result, trace }
}

describe('a recorded bus', () => {
  it.each([
    ['a machine that works', () => {}],
    ['a machine on which I/O hangs', (machine) => machine.rewire('0000:00:02.0', false)],
  ] as [string, Parameters<typeof record>[0]][])(
    'of %s leads to the same decisions, with no machine behind it',
    (_, prepare) => {
      const { result, trace } = record(prepare)
      const bus = replayCpuBus(JSON.parse(JSON.stringify(trace)) as CpuTrace)
      expect(bootGuest(bus, { profile: 'linux-6.12', witness: NOBODY })).toEqual(result)
      expect(bus.divergence).toBeNull()
      expect(bus.remaining).toBe(0)
    },
  )

  it('tells where another kernel does something else, and goes on as a machine on which nothing answers', () => {
    const { trace } = record()
    const bus = replayCpuBus(trace)
    const result = bootGuest(bus, { profile: 'linux-6.12,without=virtio_blk', witness: NOBODY })
    expect(bus.divergence).toMatch(/^operation \d+: the guest did .*, recorded was /)
    expect(bus.remaining).toBeGreaterThan(0)
    expect(result.devices.find(({ id }) => id === '0000:00:02.0')?.driver).toBe('virtio-pci')
    expect(bus.read32(0)).toBe(0xffff_ffff)
    expect(bus.nextInterrupt()).toBe(-1)
    expect(bus.idle()).toBe(true)
  })

  it('compares what is written, by value and by checksum', () => {
    const written: CpuTrace = {
      version: 1,
      ports: false,
      operations: [
        ['w', 4, 0x10, 7],
        ['W', 0x20, 3, 0x352441c2],
      ],
    }
    const same = replayCpuBus(written)
    same.write32(0x10, 7)
    same.writeBytes(0x20, Uint8Array.of(0x61, 0x62, 0x63))
    expect(same.divergence).toBeNull()
    const value = replayCpuBus(written)
    value.write32(0x10, 8)
    expect(value.divergence).toContain('operation 0')
    const bytes = replayCpuBus(written)
    bytes.write32(0x10, 7)
    bytes.writeBytes(0x20, Uint8Array.of(0x61, 0x62, 0x64))
    expect(bytes.divergence).toContain('operation 1')
  })

  it('has ports only where the machine had them', () => {
    expect(replayCpuBus({ version: 1, ports: false, operations: [] }).ports).toBeUndefined()
    expect(replayCpuBus({ version: 1, ports: true, operations: [] }).ports?.in16(0x70)).toBe(0xffff)
  })
})
