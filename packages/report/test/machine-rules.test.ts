import { describe, expect, it } from 'vitest'
import { joinReport, MACHINE_RULES } from '../src/index.ts'
import { accounts, guestDevice, guestResult, observation, tested, vtd } from './accounts.ts'
import { amd, describeRules, findingsOf, PAST, type RuleCase } from './rule-cases.ts'

const RULES: readonly RuleCase[] = [
  [
    'DMA-0001',
    {
      trips: { guest: { iommus: [amd({ enabled: false })] }, seen: tested({ untranslated: 1 }) },
      says: /^ivhd0 is exposed and not used: every device is in passthrough\.$/,
      fix: 'boot without amd_iommu=off and iommu=off',
      not: { guest: { iommus: [amd()] } },
    },
  ],
  [
    'DMA-0001',
    {
      trips: { guest: { iommus: [vtd({ enabled: false })] }, seen: tested({ untranslated: 1 }) },
      says: /^dmar0 is exposed and not used: every device is in passthrough\.$/,
      fix: '-append "intel_iommu=on"',
      not: {},
    },
  ],
  [
    'DMA-0001',
    {
      trips: {
        guest: { iommus: [vtd({ enabled: false })] },
        device: { firmware: { covered: false, by: null } },
        seen: PAST,
      },
      says: /^dmar0 is exposed and not used, since the tables put no device behind it: /,
      fix: 'leave out default_bus_bypass_iommu, or list devices in the DMAR',
      not: { guest: { iommus: [] }, seen: PAST },
    },
  ],
  [
    'DMA-0002',
    {
      trips: { guest: { iommus: [] }, seen: PAST },
      says: /^the firmware names no IOMMU/,
      fix: '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on',
      not: { guest: { iommus: [] }, seen: { behindIommu: false, ...tested({}) } },
    },
  ],
  [
    'DMA-0016',
    {
      trips: {
        guest: { booted: false, halted: 'no boot parameters', iommus: [], devices: [] },
        hung: 'virtio-blk 00:02.0 never answers',
      },
      says: /^firmware never starts the kernel: virtio-blk 00:02\.0 never answers\.$/,
      fix: null,
      not: { guest: { booted: false, halted: 'no RSDP', iommus: [], devices: [] } },
    },
  ],
  [
    'DMA-0017',
    {
      trips: { device: { driver: null, deferred: true } },
      says: /^00:03\.0: no driver probes what firmware puts behind dmar0, for which this kernel has no driver\.$/,
      fix: null,
      not: { device: { driver: null } },
    },
  ],
]

describeRules('rules about the machine', MACHINE_RULES, RULES)

describe('a virtio IOMMU', () => {
  const described = { location: 'x', model: 'virtio-iommu-pci', properties: { 'boot-bypass': false } }
  const halted = { booted: false, halted: 'no boot parameters', iommus: [], devices: [] }

  it('DMA-0016 says how to let firmware pass, where that was turned off, and that the IOMMU refused', () => {
    const hung = 'AHCI 00:1f.2, port 0 does not start'
    const seen = {
      described,
      faults: [{ address: '0x60400', reason: 1, text: 'write: x', phase: 'firmware' as const }],
    }
    const [found] = findingsOf({ guest: halted, seen, hung })
    expect(found?.message).toBe(
      `firmware never starts the kernel: ${hung}. The IOMMU lets nobody pass whom no driver has attached to a domain.`,
    )
    expect(found?.fix).toBe('-device virtio-iommu-pci,...,boot-bypass=on')
  })

  it('does its own requests in passthrough, and is no device in passthrough', () => {
    const iommu = vtd({ id: '0000:00:03.0', kind: 'virtio-iommu', base: null })
    const report = joinReport(
      accounts(guestResult({ iommus: [iommu] }), [observation({ ...PAST, model: 'virtio-iommu-pci' })]),
    )
    expect(report.devices[0]).toMatchObject({ status: 'none', passthrough: null, dma: { untranslated: 9 } })
  })

  it('is not said to be left off where everything waits for it', () => {
    const iommu = vtd({ id: '0000:00:01.0', kind: 'virtio-iommu', base: null, enabled: false })
    const waits = guestDevice({ driver: null, deferred: true })
    const found = findingsOf({ guest: { iommus: [iommu], devices: [waits] } })
    expect(found.map(({ id, fix }) => [id, fix])).toEqual([['DMA-0017', 'install the module virtio_iommu']])
  })
})
