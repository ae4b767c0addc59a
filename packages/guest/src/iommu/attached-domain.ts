import type { IommuDomain, IovaSpace } from '@dmascope/dma'

/** What a group's devices do their DMA in. */
export interface GroupDomain {
  readonly domain: IommuDomain
  /** Addresses of a translated domain; null for an identity domain. */
  readonly space: IovaSpace | null
  /** Of a user's domain, where software maps doorbells: the next page for one (`iommu_get_msi_cookie`). */
  readonly doorbells?: { next: number }
}
