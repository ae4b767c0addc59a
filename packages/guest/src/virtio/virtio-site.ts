import type { DmaOps } from '@dmascope/dma'
import type { DeviceRecord } from '../device-record.ts'
import { directDma } from '../dma/dma-platform.ts'
import type { IommuSubsystem } from '../iommu/contract.ts'
import type { Kernel } from '../kernel.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { PlatformDevice } from '../platform/platform-device.ts'
import type { PlatformRecord } from '../platform/platform-record.ts'

/** What a virtio device is on, as far as drivers of its type go. */
export interface VirtioSite {
  /** The function that it is on PCI; null where it is none. */
  readonly fn: PciFunction | null
  /** Where it is on no bus; null for a function. */
  readonly platform: PlatformDevice | null
  /** An IOMMU is in front of it, as far as the kernel knows. */
  readonly hasIommu: boolean
  /** The DMA API for it. */
  dmaOps(maskBits: number): DmaOps
}

/**
 * A class, for its getter: in a literal it would make a hidden class of each site, which lives, with all that the getter
 * can see, until a full garbage collection.
 */
class PciSite implements VirtioSite {
  readonly fn: PciFunction
  readonly platform = null
  readonly #iommu: IommuSubsystem

  constructor(iommu: IommuSubsystem, fn: PciFunction) {
    this.#iommu = iommu
    this.fn = fn
  }

  get hasIommu(): boolean {
    return this.#iommu.domain(this.fn) !== null
  }

  dmaOps(maskBits: number): DmaOps {
    return this.#iommu.dmaOps(this.fn, maskBits)
  }
}

export const siteOnPci = ({ iommu }: Kernel, { fn }: DeviceRecord): VirtioSite => new PciSite(iommu, fn)

/** Where no IOMMU is in front of it, its DMA is direct. */
export const siteOnPlatform = (kernel: Kernel, { device, owner, attachment }: PlatformRecord): VirtioSite => ({
  fn: null,
  platform: device,
  hasIommu: attachment !== null,
  dmaOps: (maskBits) => attachment?.dmaOps(maskBits) ?? directDma(kernel, { id: owner }, maskBits),
})
