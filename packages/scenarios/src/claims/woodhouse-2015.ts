import { ARM_IOMMUS, beside, breaks, each, isPassthrough, isTranslated, NO_IOMMU, works, X86_IOMMUS } from './cases.ts'
import type { Claim, Said } from './claim.ts'
import { OFFSETS } from './offset-parts.ts'

const SAID: Said = { who: 'David Woodhouse', when: '2015-11-11', in: 'virtio core DMA API conversion' }
const QUOTED: Said = { ...SAID, who: 'Andy Lutomirski' }

const DEVICES = ['virtio-blk', 'virtio-blk+platform', 'e1000e', 'nvme'] as const
const KERNELS = ['linux-4.4', 'linux-6.12', 'always-dma-api'] as const

export const WOODHOUSE_2015: readonly Claim[] = [
  {
    number: 20,
    said: SAID,
    claim: 'If no IOMMU is exposed to the guest, its devices are in passthrough.',
    parts: [
      {
        kind: 'observed',
        says: 'every device that does DMA does it untranslated, and works',
        cases: each({
          guest: ['linux-6.12', 'always-dma-api'],
          hypervisor: 'qemu',
          platform: NO_IOMMU,
          iommu: 'none',
          device: DEVICES,
        }),
        holds: (seen) => isPassthrough(seen) && works(seen),
        otherwise: 'some device is not',
      },
    ],
  },
  {
    number: 21,
    said: SAID,
    claim: 'If the guest has no support for the IOMMU turned on, its devices are in passthrough.',
    parts: [
      {
        kind: 'observed',
        says: 'every device that does DMA does it untranslated, and works',
        cases: each({
          guest: ['linux-6.12', 'always-dma-api'],
          hypervisor: 'qemu',
          platform: ['x86-vtd', 'x86-amdvi'],
          iommu: 'off',
          device: DEVICES,
        }),
        holds: (seen) => isPassthrough(seen) && works(seen),
        otherwise: 'some device is not',
      },
    ],
  },
  {
    number: 22,
    said: SAID,
    claim: 'If the tables tell the guest that a device is not behind the IOMMU, it is in passthrough.',
    parts: [
      {
        kind: 'observed',
        says: 'every device on a bus that is wired past the IOMMU does its DMA untranslated',
        cases: each({
          guest: ['linux-6.12', 'always-dma-api'],
          hypervisor: 'qemu',
          platform: [...X86_IOMMUS, 'arm64-smmuv3'],
          iommu: 'uncovered',
          device: DEVICES,
        }),
        holds: isPassthrough,
        otherwise: 'some device is not',
      },
    ],
  },
  {
    number: 23,
    said: SAID,
    claim: 'If an IOMMU is exposed, enabled, and said to cover the devices, they are not in passthrough.',
    parts: [
      {
        kind: 'observed',
        says: 'no device does untranslated DMA',
        cases: each({
          guest: KERNELS,
          hypervisor: ['qemu-2.4', 'qemu', 'iommu-flag', 'physical'],
          platform: [...X86_IOMMUS, ...ARM_IOMMUS, 'pseries'],
          iommu: 'on',
          device: DEVICES,
        }),
        holds: (seen) => !isPassthrough(seen),
        otherwise:
          'virtio devices that bypass it are, whatever tables and kernel say: the fault that the thread is about',
      },
    ],
  },
  {
    number: 24,
    said: SAID,
    claim:
      'The driver has no part in it: whether it uses the DMA API changes nothing about passthrough, and without translation the API returns the address 1:1.',
    parts: [
      {
        kind: 'observed',
        says: 'a device is in passthrough under a kernel that uses the DMA API if and only if it is under one that does not',
        cases: beside(
          {
            guest: 'linux-4.4',
            hypervisor: ['qemu-2.4', 'physical', 'physical-no-flag'],
            platform: ['x86', 'x86-vtd', 'arm64', 'arm64-smmuv3', 'pseries', 'sparc64'],
            iommu: ['none', 'on', 'off'],
          },
          { guest: 'always-dma-api' },
        ),
        holds: (raw, api) => raw !== undefined && api !== undefined && isPassthrough(raw) === isPassthrough(api),
        otherwise: 'the driver changed it',
      },
      {
        kind: 'observed',
        says: 'without translation a kernel that uses the DMA API works as one that does not',
        cases: each({
          guest: ['linux-4.4', 'always-dma-api'],
          hypervisor: ['qemu-2.4', 'physical-no-flag'],
          platform: [...NO_IOMMU, 'x86-vtd'],
          iommu: ['none', 'off'],
        }),
        holds: works,
        otherwise: 'the addresses are not the same',
      },
      {
        kind: 'observed',
        says: 'so it is on buses that see memory at other addresses',
        cases: beside(
          { guest: 'linux-4.4', hypervisor: 'physical-no-flag', platform: OFFSETS, iommu: 'none' },
          { guest: 'always-dma-api' },
        ),
        holds: (raw, api) => works(raw) === works(api),
        otherwise:
          'on a bus that sees memory elsewhere the DMA API returns the bus’s addresses, with no IOMMU there, and a card works by those alone',
      },
    ],
  },
  {
    number: 25,
    said: QUOTED,
    claim: 'PowerPC and SPARC tell the guest of an IOMMU that is enabled, without coverage by device.',
    parts: [
      {
        kind: 'observed',
        says: 'there every device that is not virtio is translated, whatever the kernel is',
        cases: each({
          guest: KERNELS,
          hypervisor: 'qemu',
          platform: ['pseries', 'powernv', 'sparc64'],
          iommu: 'on',
          device: ['e1000e', 'nvme'],
        }),
        holds: isTranslated,
        otherwise: 'some device is not translated',
      },
      {
        kind: 'observed',
        says: 'a kernel that believes it breaks on a device that bypasses',
        cases: [
          ...each({ guest: 'always-dma-api', hypervisor: 'qemu-2.4', platform: 'pseries', iommu: 'on' }),
          ...each({ guest: 'always-dma-api', hypervisor: 'qemu', platform: 'powernv', iommu: 'on' }),
          ...each({ guest: 'always-dma-api', hypervisor: ['qemu-2.4', 'qemu'], platform: 'sparc64', iommu: 'on' }),
        ],
        holds: breaks,
        otherwise: 'nothing breaks',
      },
      {
        kind: 'observed',
        says: 'so do all platforms of PowerPC',
        cases: each({
          guest: KERNELS,
          hypervisor: 'qemu',
          platform: ['e500', 'e500-high', 'mac99'],
          iommu: 'none',
          device: ['e1000e', 'nvme'],
        }),
        holds: isTranslated,
        otherwise:
          'on an embedded PowerPC (e500) and on QEMU’s mac99 nothing is translated: they have no IOMMU that they could tell of',
      },
      {
        kind: 'separation',
        says: 'on SPARC, as on PowerPC, nothing tells a kernel which virtio device bypasses',
        machines: [
          { hypervisor: 'qemu', platform: 'sparc64', iommu: 'on', device: 'virtio-blk' },
          { hypervisor: 'physical-no-flag', platform: 'sparc64', iommu: 'on', device: 'virtio-blk' },
        ],
        guests: ['linux-4.4', 'linux-6.12', 'always-dma-api', 'dma-api-but-on-power', 'iommu-flag'],
        claims: 'inseparable',
        otherwise: 'something told the two apart, or one kernel served both',
      },
    ],
    leftOpen: 'On powernv the kernel was told iommu=nobypass, without which it lets all devices through.',
  },
  {
    number: 26,
    said: SAID,
    claim: 'Mending the virtio driver to use the DMA API trips over QEMU’s false tables on x86 as well.',
    parts: [
      {
        kind: 'observed',
        says: 'under QEMU with an IOMMU, a kernel that always uses the DMA API breaks',
        cases: each({
          guest: 'always-dma-api',
          hypervisor: ['qemu-2.4', 'qemu-2.9', 'qemu'],
          platform: 'x86-vtd',
          iommu: 'on',
          device: ['virtio-blk', 'virtio-net', 'virtio-rng'],
        }),
        holds: breaks,
        otherwise: 'it does not break',
      },
      {
        kind: 'observed',
        says: 'where the tables are honest, it works',
        cases: each({
          guest: 'always-dma-api',
          hypervisor: ['iommu-flag', 'physical', 'physical-no-flag'],
          platform: 'x86-vtd',
          iommu: 'on',
          device: ['virtio-blk', 'virtio-net', 'virtio-rng'],
        }),
        holds: works,
        otherwise: 'it breaks under honest tables too',
      },
    ],
  },
  {
    number: 27,
    said: SAID,
    claim: 'The same falsehood holds for assigned devices.',
    parts: [
      {
        kind: 'observed',
        says: 'under old QEMU, an assigned device’s DMA is not translated, and the kernel that believes the tables breaks',
        cases: each({ guest: KERNELS, hypervisor: 'qemu-2.4', platform: 'x86-vtd', iommu: 'on', device: 'assigned' }),
        holds: (seen) => isPassthrough(seen) && breaks(seen),
        otherwise: 'it is translated',
      },
      {
        kind: 'observed',
        says: 'with the IOMMU off, it works',
        cases: each({ guest: KERNELS, hypervisor: 'qemu-2.4', platform: 'x86-vtd', iommu: 'off', device: 'assigned' }),
        holds: works,
        otherwise: 'it does not work with the IOMMU off either',
      },
    ],
  },
  {
    number: 30,
    said: SAID,
    claim:
      'A new bus for virtio, with an IOMMU of its own, does not help where the hypervisor is one that exists already.',
    parts: [
      {
        kind: 'observed',
        says: 'under existing QEMU a kernel that is ready for it still breaks',
        cases: each({
          guest: 'always-dma-api',
          hypervisor: ['qemu-2.4', 'qemu-2.9'],
          platform: 'x86-vtd',
          iommu: 'on',
        }),
        holds: breaks,
        otherwise: 'it works there',
      },
      {
        kind: 'observed',
        says: 'where a virtio IOMMU is there, and the device behind it, it works',
        cases: each({
          guest: 'always-dma-api',
          hypervisor: 'qemu',
          platform: 'x86-virtio-iommu',
          iommu: 'on',
          device: 'virtio-blk+platform',
        }),
        holds: (seen) => works(seen) && isTranslated(seen),
        otherwise: 'it does not work there',
      },
    ],
  },
]
