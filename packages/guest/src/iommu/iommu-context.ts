import type { PageAllocator } from '@dmascope/dma'
import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import type { DmaPlatform } from '../dma/dma-platform.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import type { IsUntrusted } from '../pci/untrusted.ts'
import type { GuestProfile } from '../profile/guest-profile.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'

/** What the kernel's IOMMU code works with, whatever the kind of the hardware. */
export interface IommuContext {
  readonly bus: CpuBus
  readonly pages: PageAllocator
  readonly witness: DmaWitness
  /** What direct DMA takes on this platform; nothing unless given. */
  readonly dma?: DmaPlatform
  readonly profile: GuestProfile
  readonly options: KernelCommandLine
  readonly log: (line: string) => void
  /** IDs of the I/O APICs that the MADT names. Remapping stays off where the IOMMU's table leaves one out. */
  readonly ioApicIds?: readonly number[]
  /** The one whose pins are the first global system interrupts. */
  readonly firstIoApicId?: number | null
  /** Configuration space, for units that are PCI functions. */
  readonly config?: ConfigAccess
  /** Memory windows of the host bridges, [start, end): devices' BARs are there, so that no IOVA may be. */
  readonly hostBridgeWindows?: readonly { readonly start: number; readonly end: number }[]
  /** RAM, [start, end): what an identity domain maps on hardware that cannot pass through. Default: below 4 GiB. */
  readonly ram?: readonly { readonly start: number; readonly end: number }[]
  /** The kernel for this architecture was built with strict invalidation; unless given, the profile's configuration says. */
  readonly strictByDefault?: boolean
  /** What says which devices are not trusted; all are unless given. */
  readonly isUntrusted?: IsUntrusted
  /** Vector for the units' fault events; without it they stay masked, and only `readFaults` tells. */
  readonly faultVector?: number
}
