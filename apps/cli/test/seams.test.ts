import { runFirmware } from '@dmascope/firmware'
import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, describePreset, findPreset, type Machine, type MachineDescription } from '@dmascope/machine'
import { joinReport, type Report, type ReportDevice } from '@dmascope/report'
import { startGuest } from '@dmascope/scenarios'
import { describe, expect, it } from 'vitest'
import { deviceAt } from './report-device.ts'

const DEFAULT = describePreset(findPreset('default'))
const ARM = describePreset(findPreset('arm-virt'))

/** Boots with something done to the machine between its building and its first instruction. */
function boot(description: MachineDescription, change: (machine: Machine) => void, guest = 'linux-6.12'): Report {
  const { machine } = createMachine(description)
  change(machine)
  runFirmware(machine.bus)
  machine.endFirmwarePhase()
  const result = bootGuest(machine.bus, { profile: guest, witness: machine.witness })
  const report = joinReport({ description, guest: result, observations: machine.observe(), version: 'test' })
  machine.dispose()
  return report
}

describe('the device seam', () => {
  it('shows a device that the machine rewired past the IOMMU, though nothing describes it so', () => {
    const id = '0000:00:02.0'
    const before = deviceAt(
      boot(DEFAULT, () => {}),
      id,
    )
    const after = deviceAt(
      boot(DEFAULT, (machine) => machine.rewire(id, false)),
      id,
    )
    expect(before).toMatchObject({ status: 'translated', verdict: 'works', firmwareTruth: 'honest' })
    // The guest negotiated bit 33 and maps as before; only the DMA goes elsewhere.
    expect(after.virtio).toEqual({ ...before.virtio, status: after.virtio?.status })
    expect(after.guest).toEqual(before.guest)
    expect(after).toMatchObject({
      status: 'passthrough',
      passthrough: 'device-bypass',
      firmwareTruth: 'claims-covered',
    })
    expect(after.verdict).not.toBe('works')
  })

  it('shows a device that the machine rewired behind the IOMMU, whose driver gives physical addresses', () => {
    const id = '0000:00:03.0'
    const after = deviceAt(
      boot(DEFAULT, (machine) => machine.rewire(id, true)),
      id,
    )
    expect(after).toMatchObject({ status: 'blocked', verdict: 'faults', guest: { dmaPath: 'physical' } })
    expect(after.faults.length).toBeGreaterThan(0)
  })
})

describe('the device seam of an Arm machine', () => {
  const after = (id: string, translated: boolean): ReportDevice => {
    const built = createMachine(ARM)
    built.machine.rewire(id, translated)
    const { result } = startGuest(built, 'linux-6.12')
    const report = joinReport({
      description: ARM,
      guest: result,
      observations: built.machine.observe(),
      version: 'test',
    })
    built.machine.dispose()
    return deviceAt(report, id)
  }

  it('shows a device that was rewired past the SMMU, and one that was rewired behind it', () => {
    expect(after('0000:00:02.0', false)).toMatchObject({ status: 'passthrough', firmwareTruth: 'claims-covered' })
    expect(after('0000:00:03.0', true)).toMatchObject({ status: 'blocked', verdict: 'faults' })
  })
})

describe('the CPU seam', () => {
  it('carries all that the guest learns: replayed without a machine, a boot decides the same', () => {
    const { machine } = createMachine(DEFAULT)
    runFirmware(machine.bus)
    machine.endFirmwarePhase()
    const { bus, trace } = recordCpuBus(machine.bus)
    const first = bootGuest(bus, { profile: 'linux-6.12', witness: machine.witness })
    machine.dispose()
    const silent = { grant: () => 0, revoke: () => {}, phase: () => {} }
    const second = bootGuest(replayCpuBus(trace), { profile: 'linux-6.12', witness: silent })
    expect(second).toEqual(first)
    expect(first.devices.some((device) => device.io.ok)).toBe(true)
  })

  it('carries an Arm boot as well, its system registers with it', () => {
    const built = createMachine(ARM)
    const { machine } = built
    machine.endFirmwarePhase()
    const { bus, trace } = recordCpuBus(machine.bus)
    const options = {
      profile: 'linux-6.12',
      architecture: 'aarch64',
      entry: { deviceTree: built.deviceTree! },
    } as const
    const first = bootGuest(bus, { ...options, witness: machine.witness })
    machine.dispose()
    const silent = { grant: () => 0, revoke: () => {}, phase: () => {} }
    const replayed = replayCpuBus(trace)
    expect(bootGuest(replayed, { ...options, witness: silent })).toEqual(first)
    expect(replayed).toMatchObject({ divergence: null, remaining: 0 })
    expect(trace.operations.some(([kind]) => kind === 's')).toBe(true)
    expect(first.devices.filter((device) => device.io.ok)).toHaveLength(5)
  })

  it('gives the same report, byte for byte, each time', () => {
    const once = JSON.stringify(boot(DEFAULT, () => {}))
    const twice = JSON.stringify(boot(DEFAULT, () => {}))
    expect(twice).toBe(once)
  })
})
