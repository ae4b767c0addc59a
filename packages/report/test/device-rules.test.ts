import { DEVICE_RULES } from '../src/index.ts'
import { fault, guestDevice, stray, tested, withIo, withStrays } from './accounts.ts'
import { amd, describeRules, hung, NO_33, overwrite, PAST, type RuleCase, WITH_33 } from './rule-cases.ts'

const OPTION = '-device virtio-blk-pci,...,iommu_platform=on,disable-legacy=on'
const unmapped = withIo({ ok: false, hung: true, unmapped: true })
const STALE = { between: 'cache', address: '0x5000', got: '00 00', newest: '01 00', count: 1 } as const
const AGENT = { start: '0x1000', end: '0x1fff', turns: 9, refused: 0, refusedAssigned: 0 }
const { virtio: _none, ...plain } = guestDevice()
const plainResult = { devices: [plain] }

const RULES: readonly RuleCase[] = [
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

describeRules('rules about a device', DEVICE_RULES, RULES)
