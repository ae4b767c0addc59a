import { each, isTranslated, works } from './cases.ts'
import type { Claim, Recorded, Said } from './claim.ts'
import { eachRecorded, pairsRecorded } from './recorded-cases.ts'

const LINUX: Said = { who: 'Linux', when: '2016-2026', in: 'drivers/virtio/virtio_ring.c' }
const VIRTIO: Said = { who: 'The virtio committee', when: '2019-2026', in: 'virtio 1.2, IOMMU device' }
const QUOTED: Said = { who: 'Andy Lutomirski', when: '2015-11-11', in: 'virtio core DMA API conversion' }

/** Linux gave it a domain whose addresses are not the physical ones. */
const isInTranslatedDomain = ({ domain }: Recorded): boolean => domain === 'dma' || domain === 'dma-fq'

/** Devices of a machine with an IOMMU that are not on its PCI. */
const ON_VIRTIO_MMIO = eachRecorded('arm-mmio-beside-smmuv3').filter(
  ([one]) => one?.device.id.endsWith('virtio_mmio') === true,
)
const VIRTIO_IOMMUS = ['x86-virtio-iommu', 'arm-virtio-iommu'] as const

/** What the argument came to. Where real kernels can tell, they are asked, and not our profiles of them. */
export const WHAT_CAME_OF_IT: readonly Claim[] = [
  {
    number: 29,
    said: QUOTED,
    claim:
      'A bus of virtio’s own instead of PCI, with a virtio IOMMU and its own enumeration of devices, would solve it.',
    parts: [
      {
        kind: 'observed',
        says: 'behind a virtio IOMMU, a kernel that always uses the DMA API works with every device that the enumeration names',
        cases: each({
          guest: 'always-dma-api',
          hypervisor: 'qemu',
          platform: ['x86-virtio-iommu', 'arm64-virtio-iommu'],
          iommu: 'on',
          device: ['virtio-blk', 'virtio-blk+platform', 'virtio-net', 'virtio-net+platform', 'e1000e'],
        }),
        holds: works,
        otherwise: 'its enumeration is as false as DMAR was: it names devices that bypass the virtio IOMMU, too',
      },
      {
        kind: 'recorded',
        says: 'devices on the bus that is virtio’s own, virtio-mmio, are in domains of an IOMMU',
        cases: ON_VIRTIO_MMIO,
        holds: isInTranslatedDomain,
        otherwise: 'what is there instead of PCI has no IOMMU at all: QEMU’s device tree names none for it',
      },
    ],
  },
  {
    number: 41,
    said: LINUX,
    claim: 'Linux since 4.8 follows the flag: with bit 33, device by device, and whatever the platform is.',
    parts: [
      {
        kind: 'recorded',
        says: 'on real machines a device without the bit does its DMA past the IOMMU, in whichever domain Linux put it',
        cases: eachRecorded(),
        where: ({ accessPlatform, dma }) => !accessPlatform && dma !== null,
        holds: ({ dma }) => dma === 'direct',
        otherwise: 'it is translated',
      },
      {
        kind: 'recorded',
        says: 'one with the bit, in a domain that translates, is translated, and works',
        cases: eachRecorded(),
        where: (seen) => seen.accessPlatform && isInTranslatedDomain(seen),
        holds: ({ dma, works: ok }) => dma === 'translated' && ok,
        otherwise: 'where QEMU’s AMD IOMMU does not translate what Linux mapped, to follow the bit is to break',
      },
      {
        kind: 'recorded',
        says: 'one with the bit, in no domain or one that does not translate, has physical addresses, and works',
        cases: eachRecorded(),
        where: (seen) => seen.accessPlatform && seen.dma !== null && !isInTranslatedDomain(seen),
        holds: ({ dma, works: ok }) => dma === 'direct' && ok,
        otherwise: 'the bit alone changed its addresses',
      },
      {
        kind: 'recorded',
        says: 'both are there in one machine, side by side in domains of one kind, which a rule for the platform could not do',
        cases: pairsRecorded(),
        where: (one, other) =>
          one !== undefined &&
          other !== undefined &&
          one.accessPlatform &&
          !other.accessPlatform &&
          one.dma === 'translated',
        holds: (one, other) => one?.domain === other?.domain && other?.dma === 'direct',
        otherwise: 'devices of one machine go the same way',
      },
    ],
    leftOpen: 'Recorded are Linux 6.1 and 6.12; of 4.8 and what came between, dmascope has profiles alone.',
  },
  {
    number: 43,
    said: VIRTIO,
    claim: 'VIOT and the virtio IOMMU are that bus and its enumeration come true (29).',
    parts: [
      {
        kind: 'recorded',
        says: 'on real machines, a device with bit 33 that VIOT or a device tree puts behind a virtio IOMMU is translated, and works',
        cases: eachRecorded(...VIRTIO_IOMMUS),
        where: ({ accessPlatform }) => accessPlatform,
        holds: ({ dma, works: ok }) => dma === 'translated' && ok,
        otherwise: 'it is not translated, or does not work',
      },
      {
        kind: 'recorded',
        says: 'what the enumeration names is behind it',
        cases: eachRecorded(...VIRTIO_IOMMUS),
        where: isInTranslatedDomain,
        holds: ({ dma }) => dma === 'translated',
        otherwise: 'it names devices without bit 33 as well, and these go past it',
      },
      {
        kind: 'recorded',
        says: 'and it serves a bus that is not PCI',
        cases: ON_VIRTIO_MMIO,
        holds: isInTranslatedDomain,
        otherwise: 'all of it is PCI still: devices of virtio-mmio are in no domain',
      },
      {
        kind: 'observed',
        says: 'here, too, one driver serves x86 and Arm',
        cases: each({
          guest: 'linux-6.12',
          hypervisor: 'qemu',
          platform: ['x86-virtio-iommu', 'arm64-virtio-iommu'],
          iommu: 'on',
          device: ['virtio-blk+platform', 'virtio-net+platform', 'e1000e'],
        }),
        holds: (seen) => works(seen) && isTranslated(seen),
        otherwise: 'it does not',
      },
    ],
  },
]
