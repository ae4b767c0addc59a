import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, describePreset, findPreset, type MachineDescription } from '@dmascope/machine'
import { readMachineFile } from '@dmascope/machine/file'
import type { Report } from '@dmascope/report'
import { bootMachine, startGuest } from '@dmascope/scenarios'
import { describe, expect, it } from 'vitest'
import { deviceAt } from './report-device.ts'

const preset = (name: string): MachineDescription => describePreset(findPreset(name))
const machineOf = (content: Readonly<Record<string, unknown>>): MachineDescription =>
  readMachineFile(JSON.stringify({ machine: 's390-ccw-virtio', ...content })).description
const boot = (description: MachineDescription, guest = 'linux-6.12'): Report =>
  bootMachine({ description, guest, selfTestBytes: 4096 }).report

const seen = ({ devices }: Report): string[] =>
  devices.map(({ id, verdict, guest, interrupt }) => `${id} ${guest.dmaPath} ${verdict} ${interrupt.mode}`)

describe('virtio devices on channels', () => {
  it('work past no IOMMU, by physical addresses or by the DMA API, which are the same there', () => {
    const report = boot(preset('s390x'))
    expect(seen(report)).toEqual([
      '0.0.0001 physical works adapter',
      '0.0.0002 direct works adapter',
      '0.0.0003 physical works adapter',
      '0.0.0004 physical works adapter',
    ])
    expect(report.devices.every(({ status, dma }) => status === 'passthrough' && dma.stray === 0)).toBe(true)
    // Each request is told of by an interruption that came, and what a channel fetches is in the books.
    expect(deviceAt(report, '0.0.0001').interrupt).toMatchObject({ lost: 0 })
    expect(deviceAt(report, '0.0.0001').dma.other.probe).toBeGreaterThan(60)
    expect(report.iommus).toEqual([])
  })

  it('of the legacy revision have no FEATURES_OK and no bit 33 to offer', () => {
    const report = boot(machineOf({ devices: [{ model: 'virtio-blk-ccw', max_revision: 0, iommu_platform: true }] }))
    expect(seen(report)).toEqual(['0.0.0000 physical works adapter'])
    const { virtio } = deviceAt(report, '0.0.0000')
    expect(virtio).toMatchObject({ status: '0x07', accessPlatform: false })
    expect(virtio?.offered.some((bit) => bit > 31)).toBe(false)
  })

  it('have indicators of their own where those that are shared have run out', () => {
    const serial = Array.from({ length: 32 }, () => ({ model: 'virtio-serial-ccw' }))
    const report = boot(machineOf({ devices: [...serial, { model: 'virtio-blk-ccw' }, { model: 'virtio-net-ccw' }] }))
    expect(deviceAt(report, '0.0.001f').interrupt.mode).toBe('adapter')
    expect(seen(report).slice(32)).toEqual(['0.0.0020 physical works subchannel', '0.0.0021 physical works subchannel'])
  })

  it('are those of memory that the service processor tells of, in whatever increments', () => {
    const report = boot(machineOf({ memory: '8G', devices: [{ model: 'virtio-blk-ccw' }] }))
    expect(report.timeline.map(({ event }) => event)).toContain('setup: The maximum memory size is 8192MB')
    expect(seen(report)).toEqual(['0.0.0000 physical works adapter'])
    // Rings lie where memory is; programs lie where 31 bits reach.
    const why = deviceAt(report, '0.0.0000').why.map(({ fact }) => fact)
    expect(why.some((fact) => /^virtqueue 0 .* at 0x1[0-9a-f]{8}/.test(fact))).toBe(true)
    expect(why.some((fact) => /^channel programs at 0x[0-7][0-9a-f]{7},/.test(fact))).toBe(true)
  })
})

describe('a protected guest', () => {
  it('works by pages that it shares, and refuses a device without bit 33', () => {
    const report = boot(preset('s390x-pv'))
    expect(seen(report)).toEqual([
      '0.0.0001 swiotlb works adapter',
      '0.0.0002 null refused none',
      '0.0.0003 swiotlb works adapter',
      '0.0.0004 swiotlb works adapter',
    ])
    expect(report.devices.every(({ strays }) => strays.length === 0)).toBe(true)
    expect(report.findings.map(({ id, device }) => `${id} ${device ?? ''}`)).toContain('DMA-0009 0.0.0002')
  })

  it('without that rule takes it, and the device reads what it cannot decipher', () => {
    const report = boot(preset('s390x-pv'), 'linux-4.8')
    const { verdict, findings, guest } = deviceAt(report, '0.0.0002')
    expect([verdict, guest.dmaPath, findings.includes('DMA-0044')]).toEqual(['hangs', 'physical', true])
  })

  it('has no way to devices without a pool of shared pages', () => {
    const report = boot({ ...preset('s390x-pv'), append: 'swiotlb=noforce' })
    expect(deviceAt(report, '0.0.0001').verdict).not.toBe('works')
  })

  it('is one by what the machine says, not by what the kernel is told', () => {
    const { machineProperties: _, ...plain } = preset('s390x-pv')
    const report = boot({ ...plain, machineProperties: {} })
    expect(seen(report).map((line) => line.split(' ').slice(1).join(' '))).not.toContain('swiotlb works adapter')
    expect(report.timeline.some(({ event }) => event.includes('protected'))).toBe(false)
  })
})

it.each(['s390x', 's390x-pv'])(
  '%s: decides the same from a recording of the CPU seam, with no machine behind it',
  (name) => {
    const built = createMachine(preset(name))
    const recorded: { result?: unknown; trace?: ReturnType<typeof recordCpuBus>['trace'] } = {}
    const { result } = startGuest(built, 'linux-6.12', {
      selfTestBytes: 4096,
      listen: ({ bus, witness }) => {
        const recording = recordCpuBus(bus)
        recorded.trace = recording.trace
        return { bus: recording.bus, witness }
      },
    })
    built.machine.dispose()
    const replayed = bootGuest(replayCpuBus(recorded.trace!), {
      profile: 'linux-6.12',
      architecture: 's390x',
      witness: { grant: () => 0, revoke: () => {}, phase: () => {} },
      selfTestBytes: 4096,
    })
    expect(replayed).toEqual(result)
  },
)
