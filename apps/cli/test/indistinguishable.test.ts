import { describePreset, findPreset } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { type BootOutcome, runBoot } from '../src/boot/run-boot.ts'

const boot = (preset: string, guest = 'linux-6.12'): BootOutcome =>
  runBoot({ description: describePreset(findPreset(preset)), guest, tables: true })

/** What the guest came to know and to decide of every device before it gave any an address. */
const believed = ({ report }: BootOutcome) =>
  report.devices.map(({ id, vendor, device, firmware, guest: { iommuGroup, domain } }) => ({
    id,
    vendor,
    device,
    firmware,
    iommuGroup,
    domain,
  }))

/** The same of drivers, which they do not come by where the probe of another device never ends. */
const driven = ({ report }: BootOutcome, but: readonly string[]) =>
  report.devices
    .filter(({ id }) => !but.includes(id))
    .map(({ id, driver, guest, virtio }) => ({ id, driver, path: guest.dmaPath, negotiated: virtio?.negotiated }))

describe('two machines that the guest cannot tell apart', () => {
  // QEMU 11.1's amd-iommu with dma-remap=on, and without.
  const translating = boot('amd')
  const inert = boot('amd-inert')

  it('have the same tables, byte for byte', () => {
    expect([...translating.tables.keys()]).toContain('IVRS')
    expect(inert.tables).toEqual(translating.tables)
  })

  it('have it see and decide the same: units, groups, domains, addresses', () => {
    expect(believed(inert)).toEqual(believed(translating))
    expect(driven(inert, ['0000:00:03.0'])).toEqual(driven(translating, ['0000:00:03.0']))
    expect(inert.report.iommus).toEqual(translating.report.iommus)
    expect(inert.report.iommus).toMatchObject([{ id: 'ivhd0', kind: 'amdvi', enabled: true, default: 'dma' }])
  })

  it('come to opposite reports, since the DMA goes elsewhere', () => {
    const states = ({ report }: BootOutcome) =>
      report.devices.flatMap(({ id, status, passthrough, io }) =>
        status === 'none' ? [] : [`${id.slice(5)} ${passthrough ?? status} ${io.ok ? 'works' : 'fails'}`],
      )
    expect(states(translating)).toEqual([
      '00:02.0 translated works',
      '00:03.0 device-bypass works',
      '00:04.0 translated works',
      '00:05.0 device-bypass works',
      '00:06.0 translated works',
    ])
    expect(states(inert)).toEqual([
      '00:02.0 iommu-inert fails',
      '00:04.0 iommu-inert fails',
      '00:05.0 device-bypass works',
      '00:06.0 iommu-inert fails',
    ])
    // The driver waits in the first disk's probe, and never comes to the second.
    expect(inert.report.devices.find(({ id }) => id === '0000:00:03.0')).toMatchObject({
      driver: 'virtio-pci',
      status: 'none',
      verdict: 'untested',
      findings: ['DMA-0019'],
    })
    const fixes = inert.report.findings.filter(({ id }) => id === 'DMA-0012').map(({ fix }) => fix)
    expect(new Set(fixes)).toEqual(new Set(['-device amd-iommu,...,dma-remap=on']))
  })

  it('come to the same report under the identity domain, which wants no translation', () => {
    const [one, other] = ['amd', 'amd-inert'].map((preset) =>
      runBoot({ description: { ...describePreset(findPreset(preset)), append: 'iommu=pt' }, guest: 'linux-6.1' }),
    )
    expect(other?.report.devices.every(({ io, status }) => io.ok || status === 'none')).toBe(true)
    expect(other?.report.devices).toEqual(one?.report.devices)
  })
})

describe('a device on a bus that goes past an AMD IOMMU', () => {
  it('has no group, and messages that nobody remaps, unlike behind VT-d, where it has none', () => {
    const devices = (iommu: string) => [
      { model: iommu, properties: { intremap: 'on' }, location: { text: 'test' } },
      {
        model: 'pxb-pcie',
        id: 'pxb0',
        bus: 'pcie.0',
        properties: { bus_nr: 0x80, bypass_iommu: true },
        location: { text: 'test' },
      },
      { model: 'pcie-root-port', id: 'rp0', bus: 'pxb0', properties: { chassis: 1 }, location: { text: 'test' } },
      {
        model: 'virtio-rng-pci',
        bus: 'rp0',
        properties: { iommu_platform: true },
        backend: { kind: 'random' as const, where: 'qemu' as const },
        location: { text: 'test' },
      },
    ]
    const found = (iommu: string) =>
      runBoot({
        description: { ...describePreset(findPreset('no-iommu')), devices: devices(iommu) },
        guest: 'linux-6.12',
      }).report.devices.find(({ id }) => id === '0000:81:00.0')
    expect(found('amd-iommu')).toMatchObject({
      firmware: { covered: false, by: null },
      guest: { iommuGroup: null },
      interrupt: { mode: 'msix', remapped: false },
      passthrough: 'not-covered',
      verdict: 'works',
    })
    expect(found('intel-iommu')).toMatchObject({ guest: { iommuGroup: null }, interrupt: { mode: 'intx' } })
  })
})
