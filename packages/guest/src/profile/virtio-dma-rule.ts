/** What decides how a virtio driver comes by the addresses that it gives the device. */
interface VirtioDmaInput {
  /** VIRTIO_F_ACCESS_PLATFORM, bit 33, was negotiated. */
  readonly accessPlatform: boolean
  /** The kernel runs in a Xen domain. */
  readonly xen: boolean
}

interface VirtioDmaDecision {
  /** `physical`: guest-physical addresses, whatever IOMMU the tables name. */
  readonly path: 'dma-api' | 'physical'
  readonly because: string
}

/** A kernel's rule, by name, so that a report can cite it. */
export interface VirtioDmaRule {
  readonly name: string
  /** One sentence for people. */
  readonly says: string
  decide(input: VirtioDmaInput): VirtioDmaDecision
}

/** Linux 4.8 and later. The same in 6.1 and 6.12; no architecture, no firmware table and no IOMMU enters into it. */
export const VRING_USE_DMA_API: VirtioDmaRule = {
  name: 'vring_use_dma_api',
  says: 'The DMA API where VIRTIO_F_ACCESS_PLATFORM was negotiated or the guest is a Xen domain, else physical addresses.',
  decide({ accessPlatform, xen }) {
    if (accessPlatform) return { path: 'dma-api', because: 'VIRTIO_F_ACCESS_PLATFORM (bit 33) was negotiated' }
    if (xen) return { path: 'dma-api', because: 'bit 33 was not negotiated, but the guest is a Xen domain' }
    return { path: 'physical', because: 'VIRTIO_F_ACCESS_PLATFORM (bit 33) was not negotiated' }
  },
}

/** The proposal of the 2015 discussion: no exception for virtio. Linux 4.10's candidates did this on Arm. */
export const ALWAYS_DMA_API: VirtioDmaRule = {
  name: 'always-dma-api',
  says: 'The DMA API for every virtio device, as for any other device.',
  decide: ({ accessPlatform }) => ({
    path: 'dma-api',
    because: accessPlatform
      ? 'VIRTIO_F_ACCESS_PLATFORM (bit 33) was negotiated'
      : 'this kernel uses the DMA API for every virtio device, bit 33 or not',
  }),
}
