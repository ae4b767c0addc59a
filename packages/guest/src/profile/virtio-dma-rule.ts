import type { Architecture } from '../architecture/architecture-name.ts'

/** What decides how a virtio driver comes by the addresses that it gives the device: all of it seen in the run. */
export interface VirtioDmaInput {
  readonly architecture: Architecture
  /** VIRTIO_F_ACCESS_PLATFORM, bit 33, was negotiated; and was offered. */
  readonly accessPlatform: boolean
  readonly offersAccessPlatform: boolean
  /** Of the proposals that had a second bit for it: VIRTIO_F_PLATFORM_DMA was negotiated; and was offered. */
  readonly platformDma: boolean
  readonly offersPlatformDma: boolean
  /** The kernel runs in a Xen domain. */
  readonly xen: boolean
  /** The kernel has the device in a domain of an IOMMU, translated or not. */
  readonly hasIommu: boolean
  /** The device is one that the user vouched for. */
  readonly whitelisted: boolean
  readonly tells: BypassIndications
}

/** What the device, or the firmware for it, says of whether it goes past the IOMMU: proposals of 2015. */
export interface BypassIndications {
  /** The programming interface in the class code says that it does not. */
  readonly progIf: boolean
  /** A bit in a vendor capability of virtio's says that it does not. */
  readonly configBit: boolean
  /** The device's node in the device tree says that it does. */
  readonly property: boolean
  /** The revision is one whose devices all have that property where they bypass. */
  readonly version: boolean
}

interface VirtioDmaDecision {
  /** `physical`: guest-physical addresses, whatever IOMMU the tables name. `refuse`: the driver declines the device. */
  readonly path: 'dma-api' | 'physical' | 'refuse'
  readonly because: string
}

/** A kernel's rule, by name, so that a report can cite it. */
export interface VirtioDmaRule {
  readonly name: string
  /** One sentence for people. */
  readonly says: string
  decide(input: VirtioDmaInput): VirtioDmaDecision
}

const dmaApi = (because: string): VirtioDmaDecision => ({ path: 'dma-api', because })
const physical = (because: string): VirtioDmaDecision => ({ path: 'physical', because })
const refuse = (because: string): VirtioDmaDecision => ({ path: 'refuse', because })

const NEGOTIATED = 'VIRTIO_F_ACCESS_PLATFORM (bit 33) was negotiated'
const NOT_NEGOTIATED = 'VIRTIO_F_ACCESS_PLATFORM (bit 33) was not negotiated'

/** Linux before 4.6. */
export const RAW_PHYSICAL: VirtioDmaRule = {
  name: 'raw-physical',
  says: 'Physical addresses for every virtio device.',
  decide: () => physical('this kernel never uses the DMA API for virtio'),
}

/** Linux 4.6 and 4.7 (commit d26c96c81061). */
export const XEN_ONLY: VirtioDmaRule = {
  name: 'xen-only',
  says: 'The DMA API in a Xen domain, else physical addresses.',
  decide: ({ xen }) =>
    xen
      ? dmaApi('the guest is a Xen domain')
      : physical('this kernel uses the DMA API for virtio in a Xen domain alone'),
}

/** Linux 4.8 and later. The same in 6.1 and 6.12; no architecture, no firmware table and no IOMMU enters into it. */
export const VRING_USE_DMA_API: VirtioDmaRule = {
  name: 'vring_use_dma_api',
  says: 'The DMA API where VIRTIO_F_ACCESS_PLATFORM was negotiated or the guest is a Xen domain, else physical addresses.',
  decide({ accessPlatform, xen }) {
    if (accessPlatform) return dmaApi(NEGOTIATED)
    if (xen) return dmaApi('bit 33 was not negotiated, but the guest is a Xen domain')
    return physical(NOT_NEGOTIATED)
  },
}

/** No exception for virtio: Woodhouse's rule of 2015, by which tables decide. Linux 4.10's candidates did this on Arm. */
export const ALWAYS_DMA_API: VirtioDmaRule = {
  name: 'always-dma-api',
  says: 'The DMA API for every virtio device, as for any other device.',
  decide: ({ accessPlatform }) =>
    dmaApi(accessPlatform ? NEGOTIATED : 'this kernel uses the DMA API for every virtio device, bit 33 or not'),
}

const isPowerPc = (architecture: Architecture): boolean => architecture === 'ppc' || architecture === 'ppc64'

/** Lutomirski's series of 2015, fourth version. */
export const DMA_API_BUT_ON_POWER: VirtioDmaRule = {
  name: 'dma-api-but-on-power',
  says: 'The DMA API for every virtio device, but physical addresses on PowerPC and SPARC.',
  decide: ({ architecture }) =>
    isPowerPc(architecture) || architecture === 'sparc64'
      ? physical(
          `on ${architecture === 'sparc64' ? 'SPARC' : 'PowerPC'} this kernel takes every virtio device to bypass the IOMMU`,
        )
      : dmaApi('this kernel uses the DMA API for every virtio device'),
}

/**
 * Lutomirski's proposal of 2015: a flag that says that the device respects the IOMMU.
 *
 * @param refusesUnflagged - the option of that proposal: not to talk to a device without the flag behind an IOMMU
 */
export const iommuFlag = (refusesUnflagged: boolean): VirtioDmaRule => ({
  name: refusesUnflagged ? 'iommu-flag-or-refuse' : 'iommu-flag',
  says: `The DMA API for every virtio device${refusesUnflagged ? ', but none that is behind an IOMMU without saying so by bit 33' : ''}; on PowerPC physical addresses, and none that says so.`,
  decide({ architecture, offersAccessPlatform, hasIommu, whitelisted, xen }) {
    if (isPowerPc(architecture)) {
      return offersAccessPlatform
        ? refuse('the device respects the IOMMU (bit 33), which this kernel has no way to serve on PowerPC')
        : physical('on PowerPC this kernel takes every virtio device to bypass the IOMMU')
    }
    if (offersAccessPlatform) return dmaApi('the device says by bit 33 that it respects the IOMMU')
    if (refusesUnflagged && (hasIommu || xen)) {
      if (!whitelisted) return refuse('the device is behind an IOMMU and does not say by bit 33 that it respects it')
      return dmaApi('the device does not say by bit 33 that it respects the IOMMU, but is on the whitelist')
    }
    return dmaApi('this kernel always respects the IOMMU')
  },
})

/**
 * Herrenschmidt's device-tree property of 2015.
 *
 * @param quirk - takes a device without the property to bypass all the same: `all`, since old QEMU has no such
 *   property; `unversioned`, but for those whose revision says that they would have it; or `none`
 */
export const bypassProperty = (quirk: 'none' | 'all' | 'unversioned'): VirtioDmaRule => ({
  name: { none: 'bypass-property', all: 'bypass-property-quirk', unversioned: 'bypass-property-version' }[quirk],
  says: `Physical addresses where the device tree says that the device bypasses the IOMMU${
    { none: '', all: ', or says nothing', unversioned: ', or says nothing of a device of an old revision' }[quirk]
  }; else the DMA API.`,
  decide({ tells }) {
    if (tells.property) return physical('the device tree says that the device bypasses the IOMMU')
    if (quirk === 'all') return physical('the device tree says nothing, as under a hypervisor of old')
    if (quirk === 'unversioned' && !tells.version) return physical('the device is of a revision that says nothing')
    return dmaApi('nothing says that the device bypasses the IOMMU')
  },
})

/** Herrenschmidt's other way of 2015: the device itself says that it does not bypass. */
export const bypassIndicated = (by: 'prog-if' | 'config-bit'): VirtioDmaRule => ({
  name: `bypass-${by}`,
  says: `The DMA API where the device says by its ${by === 'prog-if' ? 'programming interface' : 'virtio configuration'} that it does not bypass the IOMMU, else physical addresses.`,
  decide({ tells }) {
    const says = by === 'prog-if' ? tells.progIf : tells.configBit
    return says ? dmaApi('the device says that it does not bypass the IOMMU') : physical('the device says nothing')
  },
})

/** Hellwig's reading of bit 33, 2018: bus addresses as the platform makes them, whatever that takes. */
export const PLATFORM_DMA: VirtioDmaRule = {
  name: 'platform-dma',
  says: 'What the platform does for DMA where bit 33 was negotiated, else physical addresses, in a Xen domain too.',
  decide: ({ accessPlatform }) => (accessPlatform ? dmaApi(NEGOTIATED) : physical(NOT_NEGOTIATED)),
}

/** His other way, should bit 33 have to keep its meaning: a second bit, and never both. */
export const PLATFORM_DMA_TWO_BITS: VirtioDmaRule = {
  name: 'platform-dma-two-bits',
  says: 'What the platform does for DMA where VIRTIO_F_PLATFORM_DMA was negotiated; the IOMMU alone where bit 33 was; never both.',
  decide({ accessPlatform, platformDma, offersAccessPlatform, offersPlatformDma, hasIommu }) {
    if (offersAccessPlatform && offersPlatformDma)
      return refuse('the device offers both bits, which exclude each other')
    if (platformDma) return dmaApi('VIRTIO_F_PLATFORM_DMA was negotiated')
    if (accessPlatform && hasIommu) return dmaApi(`${NEGOTIATED}, and there is an IOMMU`)
    return physical(accessPlatform ? 'bit 33 was negotiated, and there is no IOMMU' : NOT_NEGOTIATED)
  },
}
