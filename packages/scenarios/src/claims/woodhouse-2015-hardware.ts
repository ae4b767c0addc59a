import { breaks, each, isPassthrough, isTranslated, works } from './cases.ts'
import type { Claim, Said } from './claim.ts'

const SAID: Said = { who: 'David Woodhouse', when: '2015-11-11', in: 'virtio core DMA API conversion' }
const NOT_VIRTIO = ['e1000e', 'nvme'] as const

/** What he said of machines that are no hypervisor's. */
export const WOODHOUSE_2015_HARDWARE: readonly Claim[] = [
  {
    number: 19,
    said: SAID,
    claim: 'On x86 the IOMMU is off until the kernel turns it on, but under TXT.',
    parts: [
      {
        kind: 'observed',
        says: 'under a kernel that leaves it off, or has no driver for it, devices do their DMA untranslated, and work',
        cases: [
          ...each({
            guest: ['linux-4.4', 'linux-6.12'],
            hypervisor: ['qemu', 'physical'],
            platform: ['x86-vtd', 'x86-amdvi'],
            iommu: 'off',
            device: NOT_VIRTIO,
          }),
          ...each({
            guest: 'linux-6.12,without=intel_iommu,without=amd_iommu',
            hypervisor: ['qemu', 'physical'],
            platform: ['x86-vtd', 'x86-amdvi'],
            iommu: 'on',
            device: NOT_VIRTIO,
          }),
        ],
        holds: (seen) => isPassthrough(seen) && works(seen),
        otherwise: 'it is on, or in the way, before the kernel does anything',
      },
      {
        kind: 'observed',
        says: 'launched by TXT, a kernel without a driver for it has devices that reach nothing',
        cases: each({
          guest: ['linux-4.4,without=intel_iommu', 'linux-6.12,without=intel_iommu'],
          hypervisor: 'physical',
          platform: 'x86-vtd',
          iommu: 'txt',
          device: [...NOT_VIRTIO, 'virtio-blk'],
        }),
        holds: (seen) => breaks(seen) && !isPassthrough(seen) && !isTranslated(seen),
        otherwise: 'its devices reach memory',
      },
      {
        kind: 'observed',
        says: 'and one that drives it works and is translated, told to leave it off or not',
        cases: each({
          guest: ['linux-4.4', 'linux-6.12'],
          hypervisor: 'physical',
          platform: 'x86-vtd',
          iommu: ['txt', 'txt-off'],
          device: NOT_VIRTIO,
        }),
        holds: (seen) => works(seen) && isTranslated(seen),
        otherwise: 'it does not work, or is not translated',
      },
    ],
  },
  {
    number: 28,
    said: SAID,
    claim: 'On real hardware, broken DMAR tables mean that the IOMMU is disabled completely.',
    parts: [
      {
        kind: 'observed',
        says: 'where the table has its registers at address 0, or a record that runs past its end, every device’s DMA is untranslated, and works',
        cases: each({
          guest: ['linux-4.4', 'linux-6.12', 'always-dma-api'],
          hypervisor: ['physical', 'qemu-2.4', 'qemu'],
          platform: 'x86-vtd',
          iommu: ['broken-base', 'broken-record'],
          device: ['virtio-blk', ...NOT_VIRTIO],
        }),
        holds: (seen) => isPassthrough(seen) && works(seen),
        otherwise: 'the IOMMU is used all the same, or something does not work',
      },
      {
        kind: 'observed',
        says: 'and where the table is QEMU’s, which names devices that bypass, the IOMMU is off for all as well',
        cases: each({
          guest: ['linux-6.12', 'always-dma-api'],
          hypervisor: ['qemu-2.4', 'qemu-2.9'],
          platform: 'x86-vtd',
          iommu: 'on',
          device: NOT_VIRTIO,
        }),
        holds: isPassthrough,
        otherwise:
          'a table that is false in good form passes for sound: the kernel goes by it, and leaves the IOMMU on',
      },
      {
        kind: 'separation',
        says: 'for nothing that a kernel reads tells a false table from a true one',
        machines: [
          { hypervisor: 'qemu-2.9', platform: 'x86-vtd', iommu: 'on', device: 'virtio-blk' },
          { hypervisor: 'physical-no-flag', platform: 'x86-vtd', iommu: 'on', device: 'virtio-blk' },
        ],
        guests: ['linux-4.4', 'linux-4.8', 'linux-6.12', 'always-dma-api'],
        claims: 'inseparable',
        otherwise: 'something told the two apart, or one kernel served both',
      },
    ],
    leftOpen:
      'Of what can be broken in a table, two things are shown; dmascope boot takes any bytes (tables: of a machine file).',
  },
]
