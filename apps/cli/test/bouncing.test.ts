import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, describePreset, findPreset, type MachineDescription } from '@dmascope/machine'
import { readMachineFile } from '@dmascope/machine/file'
import type { Report, ReportDevice } from '@dmascope/report'
import { bootMachine, startGuest } from '@dmascope/scenarios'
import { describe, expect, it } from 'vitest'
import { deviceAt } from './report-device.ts'

const preset = (name: string): MachineDescription => describePreset(findPreset(name))
const machineOf = (content: Readonly<Record<string, unknown>>): MachineDescription =>
  readMachineFile(JSON.stringify({ machine: 'q35', ...content })).description
const boot = (description: MachineDescription, guest = 'linux-6.12'): Report =>
  bootMachine({ description, guest, selfTestBytes: 4096 }).report

const deviceOf = (report: Report, slot: string): ReportDevice => deviceAt(report, `0000:00:${slot}`)
const seen = (report: Report, slot: string): unknown[] => {
  const { verdict, guest } = deviceOf(report, slot)
  return [verdict, guest.dmaPath]
}

describe('memory above what a device reaches', () => {
  const machine = machineOf({
    memory: '8G',
    devices: [
      { model: 'rtl8139', addr: '02.0' },
      { model: 'dmascope-probe', addr: '03.0', dma_bits: 30 },
      { model: 'dmascope-probe', addr: '04.0', dma_bits: 31 },
      { model: 'dmascope-probe', addr: '05.0', dma_bits: 64 },
      { model: 'virtio-blk-pci', addr: '06.0' },
    ],
  })

  it('is bounced for those that reach the pool; one that does not moves its data itself', () => {
    const report = boot(machine)
    expect(['02.0', '03.0', '04.0', '05.0', '06.0'].map((slot) => seen(report, slot))).toEqual([
      ['works', 'swiotlb'],
      ['works', 'direct'],
      ['works', 'swiotlb'],
      ['works', 'direct'],
      ['works', 'physical'],
    ])
    expect(report.devices.every(({ dma }) => dma.stray === 0)).toBe(true)
  })

  it('is out of reach without a pool', () => {
    const report = boot({ ...machine, append: 'swiotlb=noforce' })
    expect(seen(report, '02.0')).toEqual(['refused', 'direct'])
    expect(deviceOf(report, '02.0').io.detail).toBe('no bus address for a buffer')
  })

  it('is bounced for all that go by the DMA API with swiotlb=force, and for no virtio device without bit 33', () => {
    const report = boot({ ...machine, append: 'swiotlb=force' })
    expect([seen(report, '05.0'), seen(report, '06.0')]).toEqual([
      ['works', 'swiotlb'],
      ['works', 'physical'],
    ])
  })

  it('runs out where the pool does, which is an error and no more', () => {
    const report = boot({ ...machine, append: 'swiotlb=128', devices: machine.devices.slice(0, 1) })
    expect(seen(report, '02.0')).toEqual(['works', 'swiotlb'])
    const none = boot({ ...machine, append: 'swiotlb=0,force', devices: machine.devices.slice(0, 1) })
    expect(deviceOf(none, '02.0').verdict).toBe('refused')
  })
})

describe('an Arm machine with memory above 4 GiB', () => {
  it('bounces as well', () => {
    const report = boot(
      machineOf({
        machine: 'virt',
        memory: '8G',
        cpu: 'cortex-a57',
        machineProperties: { 'gic-version': '3' },
        devices: [{ model: 'dmascope-probe', addr: '02.0', dma_bits: 32 }],
      }),
    )
    expect(seen(report, '02.0')).toEqual(['works', 'swiotlb'])
  })
})

describe('a guest that AMD SEV encrypts', () => {
  it('works by pages that it shares, and refuses virtio without bit 33', () => {
    const report = boot(preset('sev'))
    expect(['02.0', '03.0', '04.0', '05.0'].map((slot) => seen(report, slot))).toEqual([
      ['works', 'swiotlb'],
      ['refused', null],
      ['works', 'swiotlb'],
      ['works', 'swiotlb'],
    ])
    expect(deviceOf(report, '03.0').io.detail).toContain('device must provide VIRTIO_F_ACCESS_PLATFORM (-ENODEV)')
    expect(report.devices.flatMap(({ findings }) => findings)).not.toContain('DMA-0044')
  })

  it('of a kernel that does not refuse it has the device read ciphertext, which the report says', () => {
    const report = boot(preset('sev'), 'linux-5.10')
    const device = deviceOf(report, '03.0')
    expect([device.verdict, device.guest.dmaPath, device.io.ok]).toEqual(['hangs', 'physical', false])
    expect(device.findings).toContain('DMA-0044')
    expect(device.findings).not.toContain('DMA-0010')
    expect(deviceOf(report, '02.0').verdict).toBe('works')
  })

  it('that does not bounce gives addresses with the encryption bit, where there is no memory', () => {
    const report = boot({ ...preset('sev'), append: 'swiotlb=noforce' })
    const { verdict, strays } = deviceOf(report, '02.0')
    // The C-bit is bit 51, but the ring, in shared pages, is found.
    expect([verdict, strays[0]?.landed, strays[0]?.busAddress.length]).toEqual([
      'hangs',
      'hole',
      '0x8000000000000'.length,
    ])
    expect(deviceOf(report, '05.0').verdict).not.toBe('works')
  })

  it('decides the same from a recording of what it read', () => {
    const built = createMachine(preset('sev'))
    let recorded: ReturnType<typeof recordCpuBus> | null = null
    const first = startGuest(built, 'linux-6.12', {
      selfTestBytes: 4096,
      listen: (seams) => {
        recorded = recordCpuBus(seams.bus)
        return { bus: recorded.bus, witness: seams.witness }
      },
    }).result
    built.machine.dispose()
    const replayed = replayCpuBus(recorded!.trace)
    const nobody = { grant: () => 0, revoke: () => {}, phase: () => {} }
    const second = bootGuest(replayed, { profile: 'linux-6.12', witness: nobody, selfTestBytes: 4096 })
    expect([replayed.divergence, replayed.remaining]).toEqual([null, 0])
    expect(second).toEqual(first)
  })
})

describe('a secure guest of POWER', () => {
  it('works by pages that it shares, through the IOMMU; virtio without bit 33 is taken, and breaks', () => {
    const report = boot(preset('pef'))
    expect(['02.0', '03.0', '04.0', '05.0'].map((slot) => seen(report, slot))).toEqual([
      ['works', 'swiotlb'],
      ['hangs', 'physical'],
      ['works', 'swiotlb'],
      ['works', 'swiotlb'],
    ])
    expect(deviceOf(report, '03.0').findings).toContain('DMA-0044')
  })

  it('is a plain one where the kernel is not told to ask', () => {
    const report = boot({ ...preset('pef'), append: '' })
    expect(['02.0', '03.0'].map((slot) => seen(report, slot))).toEqual([
      ['works', 'iommu'],
      ['works', 'physical'],
    ])
  })

  it('that does not bounce has devices read ciphertext', () => {
    const report = boot({ ...preset('pef'), append: 'svm=on swiotlb=noforce' })
    expect(deviceOf(report, '02.0').verdict).not.toBe('works')
    expect(deviceOf(report, '02.0').findings).toContain('DMA-0044')
  })

  it('stops on a machine without an ultravisor', () => {
    const report = boot({ ...preset('pseries'), append: 'svm=on' })
    expect(report.guest.halted).toMatch(/^Returned -2 from switching to secure mode/)
  })
})
