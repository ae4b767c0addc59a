import type { Observed } from '../cell/cell.ts'
import { each } from './cases.ts'
import type { Claim, Said } from './claim.ts'

const QUOTED: Said = { who: 'Andy Lutomirski', when: '2015-11-11', in: 'virtio core DMA API conversion' }

/** A kernel that gives the device in question to a user's program once it has tested it. */
const ASSIGNING = ['linux-6.1,assign=00:04.0', 'linux-6.12,assign=00:04.0'] as const

/** It works in the program's hands, and reaches nothing but what the program mapped. */
const isContained = ({ assigned }: Observed): boolean =>
  assigned !== null && assigned !== 'refused' && assigned.io.ok && assigned.reach === 'contained'

export const ONWARD_ASSIGNMENT: readonly Claim[] = [
  {
    number: 31,
    said: QUOTED,
    claim: 'Virtio devices that are to be assigned onward have to be translated.',
    parts: [
      {
        kind: 'observed',
        says: 'one that is translated works in the hands of a user’s program, and reaches nothing that the program did not map',
        cases: [
          ...each({
            guest: ASSIGNING,
            hypervisor: 'qemu',
            platform: ['x86-vtd', 'arm64-smmuv3'],
            iommu: 'on',
            device: ['virtio-blk+platform', 'virtio-net+platform'],
          }),
          ...each({
            guest: 'linux-6.12,assign=00:04.0',
            hypervisor: 'qemu',
            platform: 'arm64-virtio-iommu',
            iommu: 'on',
            device: ['virtio-blk+platform', 'virtio-net+platform'],
          }),
          ...each({
            guest: ASSIGNING,
            hypervisor: 'physical',
            platform: ['x86-vtd', 'x86-amdvi'],
            iommu: 'on',
          }),
        ],
        holds: isContained,
        otherwise: 'it does not work, or reaches other memory',
      },
      {
        kind: 'observed',
        says: 'to be translated is enough, on x86 with a virtio IOMMU as well',
        cases: each({
          guest: 'linux-6.12,assign=00:04.0',
          hypervisor: 'qemu',
          platform: 'x86-virtio-iommu',
          iommu: 'on',
          device: ['virtio-blk+platform', 'virtio-net+platform'],
        }),
        holds: isContained,
        otherwise: 'translation is not enough: where nothing remaps interrupts, VFIO refuses the device',
      },
      {
        kind: 'observed',
        says: 'one that is not translated does not: it takes the program’s addresses for physical ones',
        cases: each({
          guest: ASSIGNING,
          hypervisor: ['qemu', 'qemu-2.9'],
          platform: ['x86-vtd', 'arm64-smmuv3'],
          iommu: 'on',
          device: ['virtio-blk', 'virtio-net'],
        }),
        holds: (seen) => !isContained(seen),
        otherwise: 'it is as safe as one that is translated',
      },
      {
        kind: 'observed',
        says: 'a device that the guest itself was assigned can be given on, where the hypervisor shadows the guest’s mappings',
        cases: each({
          guest: ASSIGNING,
          hypervisor: 'qemu',
          platform: 'x86-vtd',
          iommu: 'on',
          device: 'assigned',
        }),
        holds: isContained,
        otherwise: 'it does not work, or reaches other memory',
      },
      {
        kind: 'observed',
        says: 'and not where the hypervisor leaves it in passthrough, as old QEMU did',
        cases: each({
          guest: ASSIGNING,
          hypervisor: 'qemu-2.4',
          platform: 'x86-vtd',
          iommu: 'on',
          device: 'assigned',
        }),
        holds: (seen) => !isContained(seen),
        otherwise: 'it is as safe as one that is translated',
      },
    ],
  },
]
