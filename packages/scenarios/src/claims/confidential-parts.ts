import { breaks, each, isPassthrough, refuses, works } from './cases.ts'
import type { ObservedPart } from './claim.ts'

/** Kernels whose driver takes a virtio device without the bit in an SEV guest; those since 5.19 refuse it. */
const TAKES_ANY = ['linux-4.8', 'linux-5.10'] as const
const VIRTIO = ['virtio-blk', 'virtio-net', 'virtio-rng'] as const
const CONFIDENTIAL = ['x86-sev', 'pseries-pef'] as const
const CLOSED = [...CONFIDENTIAL, 's390x-pv'] as const
/** Kernels whose driver takes one in a protected guest of s390x; those since 5.10 refuse it. */
const TAKES_ANY_ON_S390X = 'linux-4.8'
/** Kernels that keep devices in the pool that a device tree names for them. */
const KNOWS_POOLS = ['linux-6.1,restricted-pools=on', 'linux-6.12,restricted-pools=on'] as const
const ASKING = ['virtio-blk+platform', 'virtio-net+platform', 'virtio-rng+platform'] as const

/** Encryption bits as translation: part of what the DMA API does beyond IOMMUs. */
export const ENCRYPTION_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'with an encryption bit in addresses and no IOMMU, devices work by addresses of the DMA API',
    cases: each({
      guest: ['linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 'x86-sev',
      iommu: 'none',
      device: ['e1000e', 'nvme', 'virtio-blk+platform'],
    }),
    holds: (seen) => works(seen) && isPassthrough(seen),
    otherwise: 'a device does not work',
  },
  {
    kind: 'observed',
    says: 'and by raw physical addresses none does',
    cases: each({ guest: TAKES_ANY, hypervisor: 'qemu', platform: 'x86-sev', iommu: 'none' }),
    holds: breaks,
    otherwise: 'a device works that was given raw physical addresses',
  },
]

/** Virtio’s way past bounce buffers. */
export const SKIPS_BOUNCING: ObservedPart = {
  kind: 'observed',
  says: 'virtio without the bit skips bouncing: where memory is closed it reads what was never meant for it, and breaks',
  cases: [
    ...each({ guest: TAKES_ANY, hypervisor: 'qemu', platform: 'x86-sev', iommu: 'none', device: VIRTIO }),
    ...each({
      guest: [...TAKES_ANY, 'linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 'pseries-pef',
      iommu: 'on',
      device: VIRTIO,
    }),
    ...each({ guest: TAKES_ANY_ON_S390X, hypervisor: 'qemu', platform: 's390x-pv', iommu: 'none', device: VIRTIO }),
    ...each({
      guest: KNOWS_POOLS,
      hypervisor: 'qemu',
      platform: 'arm64-restricted-pool',
      iommu: 'none',
      device: VIRTIO,
    }),
  ],
  holds: breaks,
  otherwise: 'it works, or is not taken',
}

/** Bounce buffering, and virtio's way past it. */
export const BOUNCE_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'a device with 32 address lines works where memory lies above them, without an IOMMU',
    cases: each({
      guest: ['linux-4.4', 'linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 'x86-high',
      iommu: 'none',
      device: 'rtl8139',
    }),
    holds: (seen) => works(seen) && isPassthrough(seen),
    otherwise: 'it does not work',
  },
  {
    kind: 'observed',
    says: 'where memory is closed to devices, those that go by the DMA API work, a virtio device with the bit among them',
    cases: [
      ...each({
        guest: ['linux-4.8', 'linux-5.10', 'linux-6.1', 'linux-6.12'],
        hypervisor: 'qemu',
        platform: CONFIDENTIAL,
        iommu: ['none', 'on'],
        device: ['e1000e', 'nvme', ...ASKING],
      }),
      ...each({
        guest: ['linux-4.8', 'linux-5.10', 'linux-6.1', 'linux-6.12'],
        hypervisor: 'qemu',
        platform: 's390x-pv',
        iommu: 'none',
        device: ASKING,
      }),
      ...each({
        guest: KNOWS_POOLS,
        hypervisor: 'qemu',
        platform: 'arm64-restricted-pool',
        iommu: 'none',
        device: ['e1000e', 'nvme', ...ASKING],
      }),
    ],
    holds: works,
    otherwise: 'one does not work',
  },
  SKIPS_BOUNCING,
]

/** PLATFORM_DMA in a guest most of whose memory no device reaches. */
export const INACCESSIBLE_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'a device that offers it works in such guests, by memory that they share with it',
    cases: each({
      guest: 'platform-dma-two-bits',
      hypervisor: 'platform-dma',
      platform: CLOSED,
      iommu: ['none', 'on'],
    }),
    holds: works,
    otherwise: 'it does not work',
  },
  {
    kind: 'observed',
    says: 'so does one whose bit 33 is read so',
    cases: each({
      guest: 'platform-dma',
      hypervisor: 'qemu',
      platform: CLOSED,
      iommu: ['none', 'on'],
      device: ['virtio-blk+platform', 'virtio-net+platform', 'virtio-rng+platform'],
    }),
    holds: works,
    otherwise: 'it does not work',
  },
  {
    kind: 'observed',
    says: 'and without any such bit, the same kernels break there',
    cases: each({
      guest: ['platform-dma', 'platform-dma-two-bits'],
      hypervisor: 'qemu',
      platform: CLOSED,
      iommu: ['none', 'on'],
    }),
    holds: breaks,
    otherwise: 'they work without it',
  },
]

/** What Linux does about such guests by itself. */
export const RESTRICTED_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'an encrypted guest of AMD SEV refuses a device without the bit, by what the processor says of memory',
    cases: each({
      guest: ['linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 'x86-sev',
      iommu: 'none',
      device: VIRTIO,
    }),
    holds: refuses,
    otherwise: 'it is taken',
  },
  {
    kind: 'observed',
    says: 'and takes one with it, which works through bounce buffers',
    cases: each({
      guest: ['linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 'x86-sev',
      iommu: 'none',
      device: ['virtio-blk+platform', 'virtio-net+platform', 'virtio-rng+platform'],
    }),
    holds: works,
    otherwise: 'it does not work',
  },
  {
    kind: 'observed',
    says: 'so does a protected guest of s390x, since 5.10, by what the ultravisor says of it',
    cases: each({
      guest: ['linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 's390x-pv',
      iommu: 'none',
      device: VIRTIO,
    }),
    holds: refuses,
    otherwise: 'it is taken',
  },
  {
    kind: 'observed',
    says: 'and takes one with it, which works through bounce buffers there, too',
    cases: each({
      guest: ['linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 's390x-pv',
      iommu: 'none',
      device: ASKING,
    }),
    holds: works,
    otherwise: 'it does not work',
  },
  {
    kind: 'observed',
    says: 'a secure guest of POWER refuses it as well',
    cases: each({
      guest: ['linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: 'pseries-pef',
      iommu: 'on',
      device: VIRTIO,
    }),
    holds: refuses,
    otherwise: 'Linux has no such check on POWER: it takes the device, which then breaks',
  },
]
