import { bootGuest, recordCpuBus, replayCpuBus } from '@dmascope/guest'
import { createMachine, describePreset, findPreset, type MachineDescription } from '@dmascope/machine'
import { readMachineFile } from '@dmascope/machine/file'
import { bootMachine } from '@dmascope/scenarios'
import { describe, expect, it } from 'vitest'
import { deviceAt } from './report-device.ts'

const MIB = 0x10_0000
/** At the end of the 512 MiB that begin at 0x40000000. */
const POOL = { start: 0x5f00_0000, end: 0x6000_0000 }
const PRESET = findPreset('restricted-pool')
const KNOWS = 'linux-6.12,restricted-pools=on'

const boot = (guest: string, change: Partial<MachineDescription> = {}) =>
  bootMachine({ description: { ...describePreset(PRESET), ...change }, guest, selfTestBytes: 4096, trace: true })

const WITH = '0000:00:02.0'
const WITHOUT = '0000:00:03.0'
const CARD = '0000:00:06.0'

describe('a kernel that knows of restricted pools', () => {
  const { report, trace } = boot(KNOWS)

  it('is what the preset boots', () => {
    expect(PRESET.content.guest).toBe(KNOWS)
  })

  it.each([WITH, '0000:00:04.0', CARD])('keeps all DMA of %s in the pool: rings and data', (id) => {
    expect(deviceAt(report, id)).toMatchObject({ verdict: 'works', guest: { dmaPath: 'swiotlb' }, findings: [] })
    const accesses = trace.accesses.filter(({ device, kind }) => device === id && kind !== 'msi')
    expect(accesses.length).toBeGreaterThan(0)
    for (const { physical, length } of accesses) {
      expect(Number(physical)).toBeGreaterThanOrEqual(POOL.start)
      expect(Number(physical) + length).toBeLessThanOrEqual(POOL.end)
    }
  })

  it('has the driver wait that skips the DMA API: its ring lies outside, where the device reads zeros', () => {
    const device = deviceAt(report, WITHOUT)
    expect(device).toMatchObject({ verdict: 'hangs', guest: { dmaPath: 'physical' }, dma: { stray: 0 } })
    expect(device.findings).toEqual(['DMA-0044'])
    const { message, fix } = report.findings.find(({ id, device: of }) => id === 'DMA-0044' && of === WITHOUT)!
    expect(message).toMatch(/outside the restricted pool .* read zeros/)
    expect(fix).toMatch(/iommu_platform=on/)
  })

  it('learns of it from the tree alone', () => {
    const { machine, deviceTree } = createMachine(describePreset(PRESET))
    const { bus, trace: recorded } = recordCpuBus(machine.bus)
    const options = { profile: KNOWS, architecture: 'aarch64', entry: { deviceTree: deviceTree! } } as const
    const first = bootGuest(bus, { ...options, witness: machine.witness })
    const again = bootGuest(replayCpuBus(recorded), {
      ...options,
      witness: { grant: () => 0, revoke() {}, phase() {} },
    })
    machine.dispose()
    expect(again.devices).toEqual(first.devices)
    expect(first.devices.find(({ id }) => id === CARD)?.why).toContainEqual({
      fact: 'the DMA API keeps it in the pool at 0x5f000000 to 0x5fffffff',
      source: 'memory-region of /pcie@10000000: /reserved-memory/restricted-dma-pool@5f000000',
    })
  })

  it('takes it as a platform’s device, too', () => {
    const blk = { model: 'virtio-blk-device', id: 'mmio0', location: { text: 'test' } }
    const properties = { iommu_platform: true }
    const { report: of } = boot(KNOWS, {
      devices: [{ ...blk, properties }],
      virtioTransports: { 'force-legacy': false },
    })
    expect(of.devices.find(({ name }) => name === 'mmio0')).toMatchObject({
      verdict: 'works',
      guest: { dmaPath: 'swiotlb' },
    })
  })

  it('fails what the pool has no room for, and nothing else', () => {
    const { report: of } = boot(KNOWS, { restrictedPool: 256 * 1024 })
    expect(deviceAt(of, CARD)).toMatchObject({ verdict: 'works' })
  })
})

describe('a kernel that does not', () => {
  const { report } = boot('linux-6.12')

  it('gives devices memory that they do not reach', () => {
    expect(deviceAt(report, CARD)).toMatchObject({ verdict: 'corrupts', guest: { dmaPath: 'direct' } })
    expect(deviceAt(report, WITH)).toMatchObject({ verdict: 'hangs', guest: { dmaPath: 'direct' } })
    const { fix } = report.findings.find(({ id, device }) => id === 'DMA-0044' && device === CARD)!
    expect(fix).toContain('restricted-pools=on')
  })

  it('works where nothing keeps devices out', () => {
    const { restrictedPool: _, ...open } = describePreset(PRESET)
    const { report: of } = bootMachine({ description: open, guest: 'linux-6.12', selfTestBytes: 4096 })
    for (const id of [WITH, WITHOUT, CARD]) expect(deviceAt(of, id).verdict, id).toBe('works')
  })
})

it('a kernel for restricted memory refuses the device that would go past the pool', () => {
  const { report } = boot(`${KNOWS},restricted=on`)
  expect(deviceAt(report, WITHOUT)).toMatchObject({ verdict: 'refused' })
  expect(deviceAt(report, WITH)).toMatchObject({ verdict: 'works' })
})

describe('a machine file', () => {
  const read = (text: string) => readMachineFile(text, { file: 'machine.yaml' }).description

  it('says how large the pool is', () => {
    expect(read('machine: virt\nrestrictedPool: 8M').restrictedPool).toBe(8 * MIB)
    expect(read('machine: virt\nrestrictedPool: 8').restrictedPool).toBe(8 * MIB)
  })

  it.each([
    ['machine: q35\nrestrictedPool: 8M', /machine\.yaml:2.*only a virt/],
    ['machine: virt\nrestrictedPool: much', /machine\.yaml:2.*a size such as 16M/],
  ])('is refused for %j', (text, message) => {
    expect(() => read(text)).toThrow(message)
  })

  it.each([
    ['restrictedPool: 100K', /multiple of 256K/],
    ['restrictedPool: 256M', /a quarter of the memory/],
    ['restrictedPool: 8M\nmemorySystem: write-buffer', /memorySystem write-buffer is not modelled/],
    ['restrictedPool: 8M\nmachineProperties: { iommu: smmuv3 }', /an IOMMU, with which Linux uses no pool/],
    ['restrictedPool: 8M\nmachineProperties: { firmware: edk2 }', /firmware, whose tables cannot tell/],
  ])('makes no machine of %j', (text, message) => {
    expect(() => createMachine(read(`machine: virt\ncpu: cortex-a57\n${text}`))).toThrow(message)
  })
})
