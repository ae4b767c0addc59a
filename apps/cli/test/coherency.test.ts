import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, describePreset, findPreset, type MachineDescription } from '@dmascope/machine'
import { readMachineFile } from '@dmascope/machine/file'
import type { Report } from '@dmascope/report'
import { bootMachine } from '@dmascope/scenarios'
import { describe, expect, it } from 'vitest'
import { deviceAt } from './report-device.ts'

const preset = (name: string): MachineDescription => describePreset(findPreset(name))
const boot = (description: MachineDescription, guest = 'linux-6.12'): Report =>
  bootMachine({ description, guest, selfTestBytes: 4096 }).report

/** With the DMA API, and without: 02.0 and 03.0 of each of these presets. */
const WITH = '0000:00:02.0'
const WITHOUT = '0000:00:03.0'
const CARD = '0000:00:06.0'

describe.each(['arm-noncoherent', 'arm-write-buffer'])('%s', (name) => {
  const report = boot(preset(name))

  it('works for drivers that use the DMA API, and nothing that they read was out of date', () => {
    for (const id of [WITH, CARD]) {
      expect(deviceAt(report, id)).toMatchObject({ verdict: 'works', io: { ok: true } })
      expect(deviceAt(report, id).staleReads, id).toBeUndefined()
    }
  })

  it('keeps a virtio driver waiting that skips it, and says what its device read', () => {
    const device = deviceAt(report, WITHOUT)
    expect(device).toMatchObject({ verdict: 'hangs', guest: { dmaPath: 'physical' }, dma: { stray: 0 } })
    expect(device.findings).toContain('DMA-0050')
    expect(device.findings).not.toContain('DMA-0010')
    const [first] = device.staleReads ?? []
    expect(first).toMatchObject({ reader: 'device' })
    expect(first?.got).not.toBe(first?.newest)
    expect(device.why.some(({ fact }) => fact.includes('out of date'))).toBe(true)
  })

  it('gives a fix that helps', () => {
    const { fix } = report.findings.find(({ id, device }) => id === 'DMA-0050' && device === WITHOUT) ?? {}
    expect(fix).toMatch(/iommu_platform=on/)
    const description = preset(name)
    const fixed = {
      ...description,
      devices: description.devices.map((one) =>
        one.id === 'blk1'
          ? { ...one, properties: { ...one.properties, iommu_platform: true, 'disable-legacy': 'on' } }
          : one,
      ),
    }
    expect(deviceAt(boot(fixed), WITHOUT).verdict).toBe('works')
  })

  it('works with nothing in between', () => {
    const { memorySystem: _, ...plain } = preset(name)
    const plainly = boot(plain)
    for (const id of [WITH, WITHOUT, CARD]) expect(deviceAt(plainly, id).verdict).toBe('works')
    expect(JSON.stringify(plainly)).not.toContain('staleReads')
  })
})

describe('rules of the kernel', () => {
  it.each([
    ['arm-noncoherent', 'cache-maintenance=off', 'DMA API would have to maintain them'],
    ['arm-write-buffer', 'write-drain=off', 'DMA API would have to read'],
  ])('%s breaks what uses the DMA API with %s', (name, option, fact) => {
    const off = boot(preset(name), `linux-6.12,${option}`)
    expect(deviceAt(off, WITH)).toMatchObject({ verdict: 'hangs', guest: { dmaPath: 'direct' } })
    expect(deviceAt(off, WITH).why.some((one) => one.fact.includes(fact))).toBe(true)
    const [turnedOn, ...rest] = option.split('=')
    expect(rest).toEqual(['off'])
    expect(deviceAt(boot(preset(name), `linux-6.12,${turnedOn}=on`), WITH).verdict).toBe('works')
  })

  it('data that a device wrote, or read, come out wrong where the kernel leaves caches alone', () => {
    const card = deviceAt(boot(preset('arm-noncoherent'), 'linux-6.12,cache-maintenance=off'), CARD)
    expect(card).toMatchObject({ verdict: 'corrupts' })
    expect(card.findings).toEqual(expect.arrayContaining(['DMA-0013']))
    expect(card.staleReads?.length).toBeGreaterThan(0)
  })
})

describe('a cache that goes by virtual addresses', () => {
  it('fails emulated devices whichever way their driver goes, and knows no fix in the guest', () => {
    const report = boot(preset('arm-virtual-cache'))
    for (const id of [WITH, '0000:00:04.0', '0000:00:05.0', CARD]) {
      const device = deviceAt(report, id)
      expect(device.verdict, id).not.toBe('works')
      expect(device.staleReads?.[0], id).toMatchObject({ between: 'mapping' })
    }
    for (const { id, fix } of report.findings) if (id === 'DMA-0050' || id === 'DMA-0051') expect(fix).toBeNull()
  })

  it('serves the DMA API where the host looks after its own mapping', () => {
    const report = boot({ ...preset('arm-virtual-cache'), memorySystem: 'virtual-cache-flushed' })
    expect(deviceAt(report, WITH).verdict).toBe('works')
    expect(deviceAt(report, CARD).verdict).toBe('works')
    expect(deviceAt(report, WITHOUT).verdict).toBe('hangs')
  })
})

describe('the tree', () => {
  const file = (memorySystem: string, device: string): MachineDescription =>
    readMachineFile(`
machine: virt
cpu: cortex-a57
memory: 256M
memorySystem: ${memorySystem}
virtioTransports: { force-legacy: off }
devices:
  - ${device}
`).description

  it('says the same of devices on no bus, and the kernel does the same for them', () => {
    const on = boot(file('noncoherent', '{ model: virtio-blk-device, iommu_platform: true }'))
    expect(on.devices.find(({ kind }) => kind === 'virtio-blk')).toMatchObject({ verdict: 'works' })
    const off = boot(file('noncoherent', '{ model: virtio-blk-device }'))
    expect(off.devices.find(({ kind }) => kind === 'virtio-blk')).toMatchObject({ verdict: 'hangs' })
  })

  it('calls everything coherent where a host emulates it through the same cache', () => {
    const report = boot(file('physical-cache', '{ model: virtio-blk-pci, id: blk0 }'))
    const blk = report.devices.find(({ name }) => name === 'blk0')
    expect(blk).toMatchObject({ verdict: 'works' })
    expect(blk?.why.some(({ fact }) => fact.includes('coherent'))).toBe(false)
  })
})

describe('the CPU seam', () => {
  it.each(['arm-noncoherent', 'arm-write-buffer'])(
    '%s is played back to the guest with no machine behind it',
    (name) => {
      const built = createMachine(preset(name))
      const { bus, trace } = recordCpuBus(built.machine.bus)
      built.machine.endFirmwarePhase()
      const entry = { deviceTree: built.deviceTree ?? 0 }
      const silent = { grant: () => 0, revoke() {}, phase() {} }
      const options = { profile: 'linux-6.12', architecture: 'aarch64', entry, selfTestBytes: 4096 } as const
      const first = bootGuest(bus, { ...options, witness: built.machine.witness })
      built.machine.dispose()
      const replayed = replayCpuBus(trace)
      expect(bootGuest(replayed, { ...options, witness: silent })).toEqual(first)
      expect([replayed.divergence, replayed.remaining]).toEqual([null, 0])
    },
  )

  it('has no caches to maintain on a machine whose hardware does it', () => {
    const { machine } = createMachine(preset('arm-virt'))
    expect([machine.bus.cache, machine.bus.uncachedOffset]).toEqual([undefined, undefined])
    machine.dispose()
  })
})

describe('a machine that cannot have it', () => {
  const refusal = (text: string): string => {
    try {
      const { description } = readMachineFile(text, { file: 'machine.yaml' })
      createMachine(description).machine.dispose()
    } catch (error) {
      return (error as Error).message
    }
    return 'taken'
  }

  it.each([
    ['machine: q35\nmemorySystem: noncoherent', /machine\.yaml:2:\d+: only a virt has a choice of it/],
    ['machine: virt\nmemorySystem: incoherent', /machine\.yaml:2:\d+.*noncoherent/],
    [
      "machine: virt\ncpu: cortex-a57\nmachineProperties: { gic-version: '3' }\nmemorySystem: noncoherent",
      /an ITS.*gic-version: '2'/,
    ],
    [
      'machine: virt\ncpu: cortex-a57\nmachineProperties: { iommu: smmuv3 }\nmemorySystem: write-buffer',
      /leave the IOMMU out/,
    ],
    [
      'machine: virt\ncpu: cortex-a57\nmemorySystem: virtual-cache\ndevices:\n  - { model: vfio-pci, host: "0000:01:00.0" }',
      /leave vfio-pci out/,
    ],
  ])('%j', (text, message) => {
    expect(refusal(text)).toMatch(message)
  })
})
