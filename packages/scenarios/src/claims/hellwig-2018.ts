import { ARM_IOMMUS, each, isPassthrough, isTranslated, refuses, works, X86_IOMMUS } from './cases.ts'
import type { Claim, Said } from './claim.ts'
import { INACCESSIBLE_PARTS, RESTRICTED_PARTS } from './confidential-parts.ts'
import { OFFSETS, PLATFORM_RULE_PARTS } from './offset-parts.ts'

const AUGUST: Said = { who: 'Christoph Hellwig', when: '2018-08-06', in: 'Virtio uses DMA API for all devices' }

export const HELLWIG_2018: readonly Claim[] = [
  {
    number: 37,
    said: AUGUST,
    claim:
      'With bit 33 clear, a device emits physical addresses that are not translated further, whatever the platform would require for its bus.',
    parts: [
      {
        kind: 'observed',
        says: 'under QEMU, its DMA is untranslated behind every IOMMU, and works',
        cases: each({
          guest: ['linux-4.8', 'linux-6.12', 'platform-dma'],
          hypervisor: ['qemu-2.9', 'qemu'],
          platform: [...X86_IOMMUS, ...ARM_IOMMUS, 'pseries'],
          iommu: 'on',
        }),
        holds: (seen) => isPassthrough(seen) && works(seen),
        otherwise: 'it is translated',
      },
      {
        kind: 'observed',
        says: 'and past a bus that sees memory at other addresses, or not all of it',
        cases: each({
          guest: ['linux-4.8', 'linux-6.12', 'platform-dma'],
          hypervisor: ['qemu-2.9', 'qemu'],
          platform: [...OFFSETS, 'e500-high'],
          iommu: 'none',
        }),
        holds: (seen) => isPassthrough(seen) && works(seen),
        otherwise: 'it does not work there',
      },
      {
        kind: 'observed',
        says: 'so is that of physical cards without the bit',
        cases: each({
          guest: ['linux-4.8', 'linux-6.12', 'platform-dma'],
          hypervisor: 'physical-no-flag',
          platform: ['x86-vtd', 'x86-amdvi', 'arm64-smmuv3', 'pseries'],
          iommu: 'on',
        }),
        holds: isPassthrough,
        otherwise:
          'cards cannot keep to that: their bus is behind the IOMMU, and the bit’s absence does not take them out',
      },
    ],
  },
  {
    number: 38,
    said: AUGUST,
    claim:
      'With PLATFORM_DMA, the addresses that a device emits need not equal physical ones; rules of the platform say how they differ.',
    parts: PLATFORM_RULE_PARTS,
  },
  {
    number: 39,
    said: AUGUST,
    claim: 'If bit 33 must keep its meaning, a device must not set it together with the new bit.',
    parts: [
      {
        kind: 'observed',
        says: 'a kernel that knows both refuses a device that sets both',
        cases: each({
          guest: 'platform-dma-two-bits',
          hypervisor: 'both-bits',
          platform: ['x86', 'x86-vtd', 'arm64-smmuv3', 'pseries'],
          iommu: ['none', 'on'],
        }),
        holds: refuses,
        otherwise: 'it does not refuse it',
      },
      {
        kind: 'observed',
        says: 'and serves one that sets the new bit alone',
        cases: each({
          guest: 'platform-dma-two-bits',
          hypervisor: 'platform-dma',
          platform: ['x86', 'x86-vtd', 'arm64-smmuv3', 'pseries'],
          iommu: ['none', 'on'],
        }),
        holds: works,
        otherwise: 'it does not serve it',
      },
    ],
  },
  {
    number: 40,
    said: AUGUST,
    claim: 'PLATFORM_DMA can describe a guest most of whose memory is inaccessible to devices.',
    parts: INACCESSIBLE_PARTS,
  },
]

const LINUX: Said = { who: 'Linux', when: '2016-2026', in: 'drivers/virtio/virtio_ring.c' }

export const WHAT_CAME: readonly Claim[] = [
  {
    number: 42,
    said: LINUX,
    claim: 'Guests whose memory is closed to devices refuse virtio devices without the bit.',
    parts: [
      {
        kind: 'observed',
        says: 'a kernel that is told to by an option refuses a device without the bit',
        cases: each({
          guest: ['linux-5.10,restricted=on', 'linux-6.1,restricted=on', 'linux-6.12,restricted=on'],
          hypervisor: 'qemu',
          platform: ['x86', 'x86-vtd', 'arm64', 'pseries'],
          iommu: ['none', 'on'],
        }),
        holds: refuses,
        otherwise: 'it is taken',
      },
      {
        kind: 'observed',
        says: 'one with the bit works, translated where there is an IOMMU',
        cases: each({
          guest: ['linux-5.10,restricted=on', 'linux-6.1,restricted=on', 'linux-6.12,restricted=on'],
          hypervisor: 'qemu',
          platform: ['x86-vtd', 'pseries'],
          iommu: 'on',
          device: 'virtio-blk+platform',
        }),
        holds: (seen) => works(seen) && isTranslated(seen),
        otherwise: 'it does not work',
      },
      ...RESTRICTED_PARTS,
    ],
    leftOpen:
      'No boot of real Linux is recorded for this: it makes the demand where it runs confidentially (AMD SEV, Intel TDX, protected guests of s390x), which takes a processor that QEMU does not emulate.',
  },
]
