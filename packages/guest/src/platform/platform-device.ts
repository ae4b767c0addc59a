import type { InboundWindows } from '../dma/inbound-windows.ts'
import type { RestrictedPool } from '../dma/restricted-pool.ts'
import type { PlatformMaster } from '../iommu/contract.ts'
import type { ChannelSite } from '../s390x/channel-site.ts'

/** A wired interrupt of its own. */
export interface WireInterrupt {
  /** Its number, as the interrupt controller counts: of the GIC, or a GSI. */
  readonly number: number
  readonly trigger: 'edge' | 'level'
}

/** A device that firmware tells of, and that is on no bus which could be asked. */
export interface PlatformDevice {
  /** As Linux names it: `a003e00.virtio_mmio`, `LNRO0005:1f`, `0.0.1234`. */
  readonly id: string
  /** As the witness knows it; by its registers' address unless given. */
  readonly owner?: string
  /** The subchannel that it is at the end of, where it has no registers. */
  readonly channel?: ChannelSite
  /** What says which driver it is for: `virtio,mmio`, `LNRO0005`. */
  readonly compatible: readonly string[]
  /** Guest-physical address of its registers, and their bytes. */
  readonly base: number
  readonly size: number
  /** Null where firmware tells of none, or of one that is not the interrupt controller's. */
  readonly interrupt: WireInterrupt | null
  /** Its DMA is coherent with the processors' caches. */
  readonly coherent: boolean
  /** How its bus sees memory; at its own address unless given. */
  readonly inbound?: InboundWindows
  /** The only memory that its DMA may go to; all of it unless given. */
  readonly restrictedPool?: RestrictedPool
  /** Where firmware tells of it: a node's path, an object's. */
  readonly source: string
  /** What firmware says of an IOMMU in front of it, for the reasons. */
  readonly iommu: string
  /** The IOMMU that firmware puts it behind, and its IDs there; null for none. */
  readonly behind: Pick<PlatformMaster, 'iommu' | 'ids'> | null
}
