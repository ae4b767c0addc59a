import { runOpenBios } from '@dmascope/firmware'
import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, describePreset, findPreset, type Machine } from '@dmascope/machine'
import { joinReport, type Report } from '@dmascope/report'
import { describe, expect, it } from 'vitest'
import { deviceAt } from './report-device.ts'

const SUN4U = describePreset(findPreset('sun4u'))
/** Of the preset: a disk with bit 33, one without, and an NVMe controller. */
const [FLAGGED, PLAIN, NVME] = ['0000:02:00.0', '0000:02:01.0', '0000:02:02.0'] as const

/** Firmware has run: buses have their numbers. */
function powerOn() {
  const { machine } = createMachine(SUN4U)
  const { deviceTree } = runOpenBios(machine.bus)
  machine.endFirmwarePhase()
  return {
    machine,
    options: { profile: 'linux-6.12', architecture: 'sparc64', entry: { deviceTree: deviceTree! } },
  } as const
}

/** Boots with something done to the machine between firmware and kernel. */
function boot(change: (machine: Machine) => void = () => {}): Report {
  const { machine, options } = powerOn()
  try {
    change(machine)
    const result = bootGuest(machine.bus, { ...options, witness: machine.witness })
    return joinReport({ description: SUN4U, guest: result, observations: machine.observe(), version: 'test' })
  } finally {
    machine.dispose()
  }
}

describe('the preset sun4u', () => {
  it('has one IOMMU for all, on once the kernel runs; virtio without bit 33 goes past it', () => {
    const report = boot()
    expect(report.machine).toMatchObject({ type: 'sun4u', arch: 'sparc64' })
    expect(report.iommus).toMatchObject([{ id: 'sabre', kind: 'sun4u', enabled: true }])
    expect(deviceAt(report, FLAGGED)).toMatchObject({ status: 'translated', verdict: 'works', firmwareTruth: 'honest' })
    expect(deviceAt(report, NVME)).toMatchObject({ status: 'translated', verdict: 'works', firmwareTruth: 'honest' })
    expect(deviceAt(report, PLAIN)).toMatchObject({
      status: 'passthrough',
      passthrough: 'device-bypass',
      verdict: 'works',
      firmwareTruth: 'claims-covered',
    })
  })

  it('shows a controller that was rewired past the IOMMU, and a disk that was rewired behind it', () => {
    // What leads nowhere comes back as ones, and what was copied is not what should have been.
    expect(
      deviceAt(
        boot((machine) => machine.rewire(NVME, false)),
        NVME,
      ),
    ).toMatchObject({
      status: 'passthrough',
      firmwareTruth: 'claims-covered',
      guest: { dmaPath: 'iommu' },
      io: { ok: false },
    })
    expect(
      deviceAt(
        boot((machine) => machine.rewire(PLAIN, true)),
        PLAIN,
      ),
    ).toMatchObject({
      status: 'blocked',
      verdict: 'faults',
      guest: { dmaPath: 'physical' },
    })
  })

  it('carries all that the guest learns over the processor’s bus: replayed without a machine, a boot decides the same', () => {
    const { machine, options } = powerOn()
    const { bus, trace } = recordCpuBus(machine.bus)
    const first = bootGuest(bus, { ...options, witness: machine.witness })
    machine.dispose()
    const replayed = replayCpuBus(trace)
    const silent = { grant: () => 0, revoke: () => {}, phase: () => {} }
    expect(bootGuest(replayed, { ...options, witness: silent })).toEqual(first)
    expect(replayed).toMatchObject({ divergence: null, remaining: 0 })
    expect(first.devices.filter((device) => device.io.ok)).toHaveLength(4)
  })
})
