import type { PlatformName } from '../cell/platforms.ts'
import { breaks, type CellSet, each, works } from './cases.ts'
import type { Claim, ObservedPart, Said } from './claim.ts'

const JUNE: Said = {
  who: 'Christoph Hellwig',
  when: '2018-06-07',
  in: 'virtio: Add platform specific DMA API translation for virito devices',
}

const KERNELS = ['linux-4.8', 'linux-6.12']
const VIRTIO = ['virtio-blk', 'virtio-net', 'virtio-rng'] as const
const VIRTIO_PLATFORM = ['virtio-blk+platform', 'virtio-net+platform', 'virtio-rng+platform'] as const

/** Memory is where it is for everybody, and caches are the processor's alone. */
const NOT_COHERENT = ['arm64-noncoherent', 'bmips-viper'] as const satisfies readonly PlatformName[]

/** Cards without the bit, to which the kernel gives physical addresses. */
const withoutTheBit = (platform: CellSet['platform']) =>
  each({ guest: KERNELS, hypervisor: 'physical-no-flag', platform, iommu: 'none', device: VIRTIO })

/** Cards with the bit, for which the kernel uses the DMA API. */
const withTheBit = (platform: CellSet['platform'], guest: readonly string[] = KERNELS) =>
  each({ guest, hypervisor: 'physical', platform, iommu: 'none', device: VIRTIO })

/** Of claim 36: by default virtio has none of it. */
export const SKIPS_COHERENCY: ObservedPart = {
  kind: 'observed',
  says: 'a card without the bit breaks where caches are not coherent',
  cases: withoutTheBit(NOT_COHERENT),
  holds: breaks,
  otherwise: 'it works all the same',
}

export const SKIPS_FLUSHING: ObservedPart = {
  kind: 'observed',
  says: 'a card without the bit breaks where writes arrive late',
  cases: withoutTheBit('arm64-write-buffer'),
  holds: breaks,
  otherwise: 'it works all the same',
}

const COHERENT_CONTROL: ObservedPart = {
  kind: 'observed',
  says: 'it works on the same Arm machine without any of that',
  cases: withoutTheBit('arm64'),
  holds: works,
  otherwise: 'it breaks there too',
}

export const HELLWIG_2018_COHERENCY: readonly Claim[] = [
  {
    number: 33,
    said: JUNE,
    claim:
      'The DMA API writes back and invalidates caches where hardware does not keep them coherent. Without it hardware virtio cannot work there, and with VIVT caches not even emulated virtio does.',
    parts: [
      SKIPS_COHERENCY,
      COHERENT_CONTROL,
      {
        kind: 'observed',
        says: 'a card with the bit works there',
        cases: withTheBit(NOT_COHERENT),
        holds: works,
        otherwise: 'the DMA API does not help it',
      },
      {
        kind: 'observed',
        says: 'and no longer where the kernel leaves the maintenance of caches out',
        cases: withTheBit(NOT_COHERENT, ['linux-6.12,cache-maintenance=off']),
        holds: breaks,
        otherwise: 'it works all the same',
      },
      {
        kind: 'observed',
        says: 'where a cache in front of memory reads ahead, as on MIPS chips of Broadcom’s, it takes more than lines: without the flush after DMA, cards’ data is missed',
        cases: each({
          guest: 'linux-6.12,ahead-flush=off',
          hypervisor: 'physical',
          platform: 'bmips-viper',
          iommu: 'none',
          device: ['e1000e', 'nvme', 'virtio-rng'],
        }),
        holds: breaks,
        otherwise: 'it works all the same',
      },
      {
        kind: 'observed',
        says: 'an emulated device breaks where the cache goes by virtual addresses, of which guest and host have different ones',
        cases: each({
          guest: KERNELS,
          hypervisor: ['qemu-2.9', 'qemu'],
          platform: ['arm64-virtual-cache', 'arm64-virtual-cache-flushed'],
          iommu: 'none',
          device: VIRTIO,
        }),
        holds: breaks,
        otherwise: 'it works all the same',
      },
      {
        kind: 'observed',
        says: 'it works where the cache goes by physical ones',
        cases: each({
          guest: KERNELS,
          hypervisor: ['qemu-2.9', 'qemu'],
          platform: 'arm64-physical-cache',
          iommu: 'none',
          device: VIRTIO,
        }),
        holds: works,
        otherwise: 'it breaks there too',
      },
      {
        kind: 'observed',
        says: 'with virtual ones the DMA API sees to it',
        cases: each({
          guest: KERNELS,
          hypervisor: ['qemu-2.9', 'qemu'],
          platform: ['arm64-virtual-cache', 'arm64-virtual-cache-flushed'],
          iommu: 'none',
          device: VIRTIO_PLATFORM,
        }),
        holds: works,
        otherwise: 'the guest’s part does not suffice: the host has to write back and forget its own lines as well',
      },
    ],
  },
  {
    number: 35,
    said: JUNE,
    claim:
      'On some platforms the DMA API must flush write buffers, by reading a register for one, before a device sees what was written.',
    parts: [
      SKIPS_FLUSHING,
      COHERENT_CONTROL,
      {
        kind: 'observed',
        says: 'a card with the bit works there',
        cases: withTheBit('arm64-write-buffer'),
        holds: works,
        otherwise: 'the DMA API does not help it',
      },
      {
        kind: 'observed',
        says: 'and no longer where the kernel leaves the flushing out',
        cases: withTheBit('arm64-write-buffer', ['linux-6.12,write-drain=off']),
        holds: breaks,
        otherwise: 'it works all the same',
      },
    ],
  },
]
