import type { PlatformName } from '../cell/platforms.ts'
import { beside, breaks, each, isPassthrough, works } from './cases.ts'
import type { ObservedPart } from './claim.ts'

/** Buses without IOMMU that see memory at other addresses than the processor: by one offset, and by one for each bank. */
export const OFFSETS = ['arm64-offset', 'bmips'] as const satisfies readonly PlatformName[]
const VIRTIO = ['virtio-blk', 'virtio-net', 'virtio-rng'] as const

/** Offsets as translation: part of what the DMA API does beyond IOMMUs. */
export const OFFSET_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'where a bus sees memory at another address, or each bank at one of its own, devices work by addresses of the DMA API, and nothing that could be called an IOMMU is there',
    cases: each({
      guest: ['linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'qemu',
      platform: OFFSETS,
      iommu: 'none',
      device: ['e1000e', 'nvme', 'virtio-blk+platform'],
    }),
    holds: (seen) => works(seen) && isPassthrough(seen),
    otherwise: 'a device does not work',
  },
  {
    kind: 'observed',
    says: 'and no longer where the kernel takes no notice of how buses see memory',
    cases: each({
      guest: 'linux-6.12,bus-windows=off',
      hypervisor: 'physical',
      platform: OFFSETS,
      iommu: 'none',
      device: ['e1000e', ...VIRTIO],
    }),
    holds: (seen) => !works(seen),
    otherwise: 'it works all the same',
  },
  {
    kind: 'observed',
    says: 'a device on the same bus that is given memory’s own addresses breaks',
    cases: each({
      guest: ['linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'physical-no-flag',
      platform: OFFSETS,
      iommu: 'none',
      device: VIRTIO,
    }),
    holds: breaks,
    otherwise: 'it works all the same',
  },
]

/** Virtio’s way past them, which only a hypervisor can give it. */
export const OFFSET_BYPASS_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'translation: a hypervisor’s virtio device works past a bus that sees memory elsewhere, where a card with the same driver breaks',
    cases: beside(
      { guest: ['linux-4.4', 'linux-6.12'], hypervisor: 'qemu', platform: OFFSETS, iommu: 'none', device: VIRTIO },
      { hypervisor: 'physical-no-flag' },
    ),
    holds: (virtual, card) => works(virtual) && isPassthrough(virtual) && breaks(card),
    otherwise: 'the two come out alike',
  },
]

/** Of bouncing: a bus that sees part of memory alone. */
export const WINDOW_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'devices work on a bus that sees the lower half of memory alone, wherever their buffers lie',
    cases: each({
      guest: ['linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'physical',
      platform: 'arm64-window',
      iommu: 'none',
      device: ['e1000e', 'nvme', ...VIRTIO],
    }),
    holds: works,
    otherwise: 'a device does not work',
  },
  {
    kind: 'observed',
    says: 'virtio cards without the bit do not: they are given buffers that no window has',
    cases: each({
      guest: ['linux-5.10', 'linux-6.1', 'linux-6.12'],
      hypervisor: 'physical-no-flag',
      platform: 'arm64-window',
      iommu: 'none',
      device: VIRTIO,
    }),
    holds: breaks,
    otherwise: 'they work all the same',
  },
]

/** Platforms of each kind: memory at its own address, at another, at one for each bank, partly out of reach, and IOMMUs. */
const ALL_KINDS = [
  'x86',
  'arm64',
  ...OFFSETS,
  'arm64-window',
  'e500-high',
  'x86-vtd',
  'x86-amdvi',
  'arm64-smmuv3',
  'pseries',
] as const

/** Addresses by the platform’s rules, whatever these are. */
export const PLATFORM_RULE_PARTS: readonly ObservedPart[] = [
  {
    kind: 'observed',
    says: 'a device that offers it works wherever the platform puts memory: at its own address, at another, at one for each bank, partly out of reach, and behind IOMMUs',
    cases: [
      ...each({
        guest: 'platform-dma-two-bits',
        hypervisor: 'platform-dma',
        platform: ALL_KINDS,
        iommu: ['none', 'on'],
      }),
      // The other reading: bit 33 itself says so.
      ...each({
        guest: 'platform-dma',
        hypervisor: 'physical',
        platform: ALL_KINDS,
        iommu: ['none', 'on'],
      }),
    ],
    holds: works,
    otherwise: 'it does not work on each of them',
  },
  {
    kind: 'observed',
    says: 'the same card without it is given physical addresses, and works where those are the bus’s',
    cases: each({
      guest: ['platform-dma', 'platform-dma-two-bits'],
      hypervisor: 'physical-no-flag',
      platform: ['x86', 'arm64'],
      iommu: 'none',
    }),
    holds: works,
    otherwise: 'it does not work even there',
  },
  {
    kind: 'observed',
    says: 'and breaks where they are not: the addresses of the first part were others',
    cases: each({
      guest: ['platform-dma', 'platform-dma-two-bits'],
      hypervisor: 'physical-no-flag',
      platform: [...OFFSETS, 'e500-high', 'x86-vtd', 'x86-amdvi', 'arm64-smmuv3', 'pseries'],
      iommu: ['none', 'on'],
    }),
    holds: breaks,
    otherwise: 'physical addresses do as well',
  },
]
