import type { GuestDevice, GuestResult } from '@dmascope/guest'
import type { DeviceObservation } from '@dmascope/machine'
import { describe, expect, it } from 'vitest'
import { DEVICE_RULES, type Finding, joinReport, MACHINE_RULES } from '../src/index.ts'
import {
  accounts,
  counts,
  fault,
  guestDevice,
  guestResult,
  observation,
  stray,
  tested,
  vtd,
  withIo,
  withStrays,
} from './accounts.ts'

interface Case {
  readonly guest?: Partial<GuestResult>
  readonly device?: Partial<GuestDevice>
  readonly seen?: Partial<DeviceObservation>
  /** What firmware waited for. */
  readonly hung?: string
}

/** Findings of a machine with one device, which works and is translated but for what the case says. */
function findingsOf({ guest = {}, device = {}, seen = {}, hung }: Case): readonly Finding[] {
  const result = guestResult({ devices: [guestDevice(device)], ...guest })
  return joinReport({ ...accounts(result, [observation(seen)]), firmwareHung: hung ?? null }).findings
}

const NO_33 = { offered: [32], negotiated: [32], accessPlatform: false, status: 0x0f }
const WITH_33 = { offered: [32, 33], negotiated: [32, 33], accessPlatform: true, status: 0x0f }
const PAST = { behindIommu: false, ...tested({ untranslated: 9 }) }
const OPTION = '-device virtio-blk-pci,...,iommu_platform=on,disable-legacy=on'
const amd = (more: Parameters<typeof vtd>[0] = {}) => vtd({ id: 'ivhd0', kind: 'amdvi', base: 0xfed8_0000, ...more })
const overwrite = stray({ kind: 'write', landed: 'ram', length: 4, physical: '0x9000', before: '00', after: 'ff' })
const hung = withIo({ ok: false, hung: true })
const unmapped = withIo({ ok: false, hung: true, unmapped: true })
const STALE = { between: 'cache', address: '0x5000', got: '00 00', newest: '01 00', count: 1 } as const
const AGENT = { start: '0x1000', end: '0x1fff', turns: 9, refused: 0, refusedAssigned: 0 }
const { virtio: _none, ...plain } = guestDevice()
const plainResult = { devices: [plain] }

/** Of each rule: what trips it, what it says then, and the nearest that does not trip it. */
const RULES: readonly [string, { trips: Case; says: RegExp; fix: string | null; not: Case }][] = [
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
    'DMA-0007',
    {
      trips: { guest: { iommus: [amd()] }, device: { firmware: { covered: false, by: null } } },
      says: /is behind an IOMMU that the firmware's tables do not put it under/,
      fix: 'name the device in an IVHD',
      not: {},
    },
  ],
  [
    'DMA-0012',
    {
      trips: {
        guest: { iommus: [amd()] },
        device: { firmware: { covered: true, by: 'IVRS IVHD 0xfed80000, select 00:02.0' } },
        seen: tested({ untranslated: 9 }),
      },
      says: /is in a translated domain of ivhd0, which let its DMA through untranslated\.$/,
      fix: '-device amd-iommu,...,dma-remap=on',
      not: {},
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
    'DMA-0003',
    {
      trips: { device: { virtio: NO_33, dmaPath: 'physical' }, seen: PAST },
      says: /^00:03\.0 bypasses the IOMMU although the firmware puts it behind dmar0\. .* gives it physical addresses\.$/,
      fix: OPTION,
      not: { seen: { behindIommu: false, ...tested({}) } },
    },
  ],
  [
    'DMA-0003',
    {
      trips: { device: { virtio: NO_33, dmaPath: 'iommu' }, seen: PAST },
      says: /yet the guest gave it addresses that only the IOMMU understands\.$/,
      fix: OPTION,
      not: { device: { domain: 'identity' }, seen: tested({ untranslated: 1 }) },
    },
  ],
  [
    'DMA-0003',
    {
      trips: { guest: plainResult, seen: { ...PAST, model: 'dmascope-probe' } },
      says: /It is wired past it\.$/,
      fix: 'wire the device behind the IOMMU, or leave it out of the tables',
      not: { device: { firmware: { covered: false, by: null } }, seen: PAST },
    },
  ],
  [
    'DMA-0004',
    {
      trips: { device: { virtio: NO_33, ...hung }, seen: { ...PAST, ...withStrays(stray()) } },
      says: /^00:03\.0 never completes a request: 1 access went astray, the first a read of 2 bytes at 0xfffff000 in ROM\. It takes the IOVAs that it was given for physical addresses\.$/,
      fix: OPTION,
      not: { device: { virtio: NO_33, ...hung }, seen: PAST },
    },
  ],
  [
    'DMA-0005',
    {
      trips: { device: { virtio: NO_33 }, seen: { ...PAST, ...withStrays(stray(), overwrite) } },
      says: /^00:03\.0 overwrote memory that it was never given: a write of 4 bytes at 0x9000 in RAM \(00 became ff\)\.$/,
      fix: OPTION,
      not: { seen: { ...PAST, ...withStrays(stray({ landed: 'ram' }), stray({ kind: 'write', landed: 'hole' })) } },
    },
  ],
  [
    'DMA-0006',
    {
      trips: { device: hung, seen: { ...tested({ faulted: 1 }), faults: [fault('firmware'), fault('self-test')] } },
      says: /^00:03\.0 had a request at 0x1000 refused by the IOMMU: read: no permission to read\.$/,
      fix: null,
      not: { device: hung, seen: { ...tested({ faulted: 1 }), faults: [fault('firmware')] } },
    },
  ],
  [
    'DMA-0007',
    {
      trips: { device: { firmware: { covered: false, by: null } } },
      says: /^00:03\.0 is behind an IOMMU that the firmware's tables do not put it under\.$/,
      fix: 'list the device in a DRHD scope, or give the unit INCLUDE_PCI_ALL',
      not: { device: { firmware: { covered: false, by: null } }, seen: PAST },
    },
  ],
  [
    'DMA-0008',
    {
      trips: { device: { domain: 'identity' }, seen: tested({ untranslated: 1 }) },
      says: /^00:03\.0 is behind the IOMMU, in an identity domain/,
      fix: 'boot without iommu=pt and iommu.passthrough=1',
      not: { device: { domain: 'identity' }, seen: tested({}) },
    },
  ],
  [
    'DMA-0009',
    {
      trips: { device: { virtio: NO_33, refusal: 'it wants bit 33', ...withIo({ attempted: false, ok: false }) } },
      says: /^00:03\.0 was refused: it wants bit 33\.$/,
      fix: OPTION,
      not: { device: { virtio: NO_33, ...withIo({ attempted: false, ok: false }) } },
    },
  ],
  [
    'DMA-0009',
    {
      trips: { device: { virtio: WITH_33, refusal: 'no MSI-X', ...withIo({ attempted: false, ok: false }) } },
      says: /no MSI-X/,
      fix: null,
      not: {},
    },
  ],
  [
    'DMA-0010',
    {
      trips: { device: { ...hung, interrupt: { mode: 'intx', remapped: false, delivered: 0, lost: 1 } } },
      says: /^00:03\.0 never completed a request: 1 request waited for an interrupt \(INTx\) that did not come\.$/,
      fix: null,
      not: { device: hung, seen: withStrays(stray()) },
    },
  ],
  [
    'DMA-0012',
    {
      trips: { seen: tested({ untranslated: 1 }) },
      says: /^00:03\.0 is in a translated domain of dmar0, which let its DMA through untranslated\.$/,
      fix: null,
      not: { seen: PAST },
    },
  ],
  [
    'DMA-0013',
    {
      trips: { device: withIo({ ok: false, wrongData: true, detail: 'sector 3 differs' }) },
      says: /^00:03\.0 completed its requests with wrong data: sector 3 differs\.$/,
      fix: null,
      not: { device: withIo({ ok: false }) },
    },
  ],
  [
    'DMA-0014',
    {
      trips: { guest: { iommus: [] }, device: { virtio: WITH_33, dmaPath: 'direct' }, seen: PAST },
      says: /^00:03\.0 negotiated VIRTIO_F_ACCESS_PLATFORM/,
      fix: null,
      not: { device: { virtio: WITH_33, domain: 'identity' }, seen: tested({ untranslated: 1 }) },
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
  [
    'DMA-0018',
    {
      trips: { device: { domain: 'none', iommuGroup: null, dmaPath: 'direct' }, seen: tested({ untranslated: 1 }) },
      says: /^00:03\.0 is behind dmar0 and in no domain of it: nobody translates its DMA\.$/,
      fix: null,
      not: { device: { domain: 'identity', dmaPath: 'direct' }, seen: tested({ untranslated: 1 }) },
    },
  ],
  [
    'DMA-0019',
    {
      trips: { device: { heldBy: '0000:00:02.0' } },
      says: /^00:03\.0 is never probed: its driver waits for ever in the probe of 00:02\.0\.$/,
      fix: null,
      not: { device: hung },
    },
  ],
  [
    'DMA-0050',
    {
      trips: {
        device: { ...hung, dmaPath: 'physical', virtio: NO_33 },
        seen: { staleReads: [{ ...STALE, reader: 'device' }] },
      },
      says: /^00:03\.0 read what was out of date: at 0x5000 it got 00 00, where 01 00 had been written; .* a cache .* skips the DMA API/,
      fix: '-device virtio-blk-pci,...,iommu_platform=on,disable-legacy=on',
      not: { device: hung, seen: { staleReads: [{ ...STALE, reader: 'processor' }] } },
    },
  ],
  [
    'DMA-0051',
    {
      trips: {
        device: { ...hung, virtio: NO_33 },
        seen: { staleReads: [{ ...STALE, reader: 'processor', between: 'mapping' }] },
      },
      says: /^the processor missed what 00:03\.0 had written: at 0x5000 it got 00 00, where 01 00 .* virtual addresses/,
      fix: null,
      not: { device: hung, seen: { staleReads: [{ ...STALE, reader: 'device' }] } },
    },
  ],
  [
    'DMA-0044',
    {
      trips: {
        device: { ...hung, dmaPath: 'physical', virtio: NO_33 },
        seen: { closed: 2 },
      },
      says: /^00:03\.0 was sent to private memory of the guest 2 times: .* given physical addresses, past the DMA API/,
      fix: '-device virtio-blk-pci,...,iommu_platform=on,disable-legacy=on',
      not: { device: hung },
    },
  ],
  [
    'DMA-0044',
    {
      trips: { device: { ...hung, dmaPath: 'physical' }, seen: { closed: 1, closedAs: 'lost' } },
      says: /^00:03\.0 was sent to private memory .* only the guest can decipher, and what it wrote was dropped\./,
      fix: null,
      not: { device: hung },
    },
  ],
  [
    'DMA-0044',
    {
      trips: { device: { ...hung, dmaPath: 'direct' }, seen: { closed: 1, closedAs: 'blank' } },
      says: /^00:03\.0 was sent to memory outside the restricted pool 1 time: it read zeros .* knows of no such pools\.$/,
      fix: 'a kernel with CONFIG_DMA_RESTRICTED_POOL: --guest linux-6.12,restricted-pools=on',
      not: { device: hung },
    },
  ],
  [
    'DMA-0045',
    {
      trips: { device: { dmaPath: 'iommu', ...unmapped } },
      says: /^00:03\.0 was never asked for anything: .* Of a device that is not trusted, .* no bounce buffers\.$/,
      fix: '--append swiotlb=force',
      not: { device: hung },
    },
  ],
  [
    'DMA-0045',
    {
      trips: { device: { dmaPath: 'direct', ...unmapped } },
      says: /^00:03\.0 was never asked for anything: [^.]*\.$/,
      fix: null,
      not: { device: { dmaPath: 'direct', ...hung } },
    },
  ],
  [
    'DMA-0046',
    {
      trips: { seen: withStrays(stray({ kind: 'read', landed: 'ram', after: '00 10 00' })) },
      says: /^00:03\.0 read memory that it was not given: a read .* in RAM; it saw 00 10 00\.$/,
      fix: null,
      not: { seen: withStrays(stray({ kind: 'read', landed: 'hole' })) },
    },
  ],
  [
    'DMA-0046',
    {
      trips: { seen: withStrays(stray({ kind: 'read', landed: 'ram', after: '00 00 00' })) },
      says: /; it saw zeros\.$/,
      fix: null,
      not: { device: hung, seen: withStrays(stray({ kind: 'read', landed: 'ram', after: '00 00 00' })) },
    },
  ],
  [
    'DMA-0036',
    {
      trips: { seen: { resident: { ...AGENT, refused: 2 } } },
      says: /^00:03\.0 has something of the firmware's running in it, which dmar0 refused its memory at 0x1000 2 times: the kernel did not map/,
      fix: 'have the kernel map RMRRs and IVMDs: --guest without firmware-regions=ignore',
      // While a user has the device nobody can map it.
      not: { seen: { resident: { ...AGENT, refusedAssigned: 2 } } },
    },
  ],
]

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

describe('rules', () => {
  it('are all tried below', () => {
    const tried = new Set(RULES.map(([id]) => id))
    expect([...tried].sort()).toEqual([...MACHINE_RULES, ...DEVICE_RULES].map(({ id }) => id).sort())
  })

  it('say nothing of a device that is translated, honest, and works', () => {
    expect(findingsOf({})).toEqual([])
  })

  it.each(RULES)('%s applies where it should, and not next to it', (id, { trips, says, fix, not }) => {
    const found = findingsOf(trips).filter((one) => one.id === id)
    expect(found).toHaveLength(1)
    expect(found[0]?.message).toMatch(says)
    expect(found[0]?.fix).toBe(fix)
    expect(findingsOf(not).map((one) => one.id)).not.toContain(id)
  })

  it('names the unit that the tables put the device behind, where there are several', () => {
    const guest = { iommus: [vtd(), vtd({ id: 'dmar1', base: 0xfed9_1000 })] }
    const device = { firmware: { covered: true, by: 'DMAR DRHD 0xfed91000, INCLUDE_PCI_ALL' } }
    const [found] = findingsOf({ guest: { ...guest, devices: [guestDevice(device)] }, seen: PAST })
    expect(found?.message).toContain('puts it behind dmar1.')
  })

  it('does not blame a missing feature bit where the device offers it and is wired past the IOMMU', () => {
    const [overwrote, bypass] = findingsOf({ seen: { ...PAST, ...withStrays(overwrite) } })
    expect(bypass).toMatchObject({ id: 'DMA-0003', message: expect.stringMatching(/It is wired past it\.$/) })
    expect(overwrote).toMatchObject({ id: 'DMA-0005' })
    for (const { fix } of [overwrote!, bypass!]) {
      expect(fix).toBe('wire the device behind the IOMMU, or leave it out of the tables')
    }
  })

  it('says of memory that a device had had that it was taken back', () => {
    const late = stray({ kind: 'write', landed: 'ram', takenBack: true })
    const found = findingsOf({ device: { domain: 'identity' }, seen: withStrays(late) }).find(
      ({ id }) => id === 'DMA-0005',
    )
    expect(found?.message).toMatch(/^00:03\.0 overwrote memory that had been taken back from it: a write/)
    const lazy = findingsOf({ device: { domain: 'dma-fq' }, seen: withStrays(late) }).find(
      ({ id }) => id === 'DMA-0005',
    )
    expect([found?.fix, lazy?.fix]).toEqual([expect.stringContaining('wire the device'), '-append "iommu.strict=1"'])
  })

  it('does not call IOVAs physical where a device takes them for that', () => {
    expect(findingsOf({ device: { dmaPath: 'iommu' }, seen: PAST }).map(({ id }) => id)).toEqual(['DMA-0003'])
  })

  it('tells of a bus that sees memory elsewhere, where a device on it was given physical addresses', () => {
    const windowsBy = 'dma-ranges of /pcie@10000000'
    const device = { ...hung, virtio: NO_33, dmaPath: 'physical', windowsBy } as const
    const nowhere = stray({ landed: 'hole', physical: null, busAddress: '0x5ff9d002' })
    const [found] = findingsOf({ guest: { iommus: [] }, device, seen: { ...PAST, ...withStrays(nowhere) } })
    expect(found?.message).toMatch(
      /^00:03\.0 never completes .*at bus address 0x5ff9d002, which leads nowhere\. It was given physical addresses, and its bus sees memory at others \(dma-ranges of \/pcie@10000000\)\.$/,
    )
    const given = { virtio: WITH_33, dmaPath: 'direct' } as const
    const ids = (more: { windowsBy?: string }): string[] =>
      findingsOf({ guest: { iommus: [] }, device: { ...given, ...more }, seen: PAST }).map(({ id }) => id)
    expect(ids({})).toContain('DMA-0014')
    expect(ids({ windowsBy })).not.toContain('DMA-0014')
  })

  it('gives the model as the user wrote it, not as the machine calls it', () => {
    const described = { location: 'x', model: 'virtio-blk-pci-non-transitional', properties: {} }
    const [found] = findingsOf({ device: { virtio: NO_33 }, seen: { ...PAST, described } })
    expect(found?.fix).toBe('-device virtio-blk-pci-non-transitional,...,iommu_platform=on,disable-legacy=on')
  })

  it('come gravest first, the machine’s before those of devices, devices in enumeration order', () => {
    const ids = ['0000:00:09.0', '0000:00:02.0']
    const found = joinReport(
      accounts(
        guestResult({ iommus: [], devices: ids.map((id) => guestDevice({ id, dmaPath: 'direct', ...hung })) }),
        ids.map((id) =>
          observation({ id, ...PAST, dma: { ...observation(PAST).dma, probe: counts({ untranslated: 1 }) } }),
        ),
      ),
    ).findings
    expect(found.map(({ id, device }) => `${id} ${device}`)).toEqual([
      'DMA-0010 0000:00:09.0',
      'DMA-0010 0000:00:02.0',
      'DMA-0002 null',
      'DMA-0014 0000:00:09.0',
      'DMA-0014 0000:00:02.0',
    ])
  })
})
