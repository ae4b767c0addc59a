import type { DmaAttributes } from './dma-attributes.ts'

/** Which way the data goes, from the device's point of view as Linux names it. */
export type Direction = 'to-device' | 'from-device' | 'bidirectional'

/** Memory that a device may access: where the CPU finds it, and the bus address to give the device. */
export interface DmaMapping {
  /** Guest-physical address; `NO_CPU_ADDRESS` for memory that the kernel does not map. */
  readonly cpu: number
  /** Bus address, an unsigned pair. */
  readonly hi: number
  readonly lo: number
  readonly length: number
}

/**
 * The DMA API of one device, as its driver sees it. The driver does not know, and must not care, what lies behind it.
 */
export interface DmaOps {
  /** What the mappings are made by. `physical` is not here: a driver that skips the DMA API has no DmaOps. */
  readonly kind: 'direct' | 'iommu' | 'swiotlb' | 'xen'
  /**
   * Zeroed memory that CPU and device may both use for as long as it lives.
   *
   * @param purpose - what it is for, in the report's words, e.g. `virtqueue 0`
   * @returns null where memory, or bus addresses under the device's mask, ran out
   */
  allocCoherent(length: number, purpose: string, attributes?: DmaAttributes): DmaMapping | null
  freeCoherent(mapping: DmaMapping): void
  /** A streaming mapping of memory that the caller owns; null is Linux's DMA_MAPPING_ERROR. */
  map(cpu: number, length: number, direction: Direction, purpose: string, attributes?: DmaAttributes): DmaMapping | null
  unmap(mapping: DmaMapping, attributes?: DmaAttributes): void
  /** Maps a scatter list; segments that end up adjacent on the bus are merged. Null where any cannot be mapped. */
  mapScatter(
    segments: readonly { readonly cpu: number; readonly length: number }[],
    direction: Direction,
    purpose: string,
    attributes?: DmaAttributes,
  ): readonly DmaMapping[] | null
  unmapScatter(mappings: readonly DmaMapping[], attributes?: DmaAttributes): void
  /**
   * The CPU is to look at a streaming mapping, or a part of it, while it stands; then the device is to have it again.
   * Between the two, only the CPU may touch it.
   */
  syncForCpu(mapping: DmaMapping, offset?: number, length?: number): void
  syncForDevice(mapping: DmaMapping, offset?: number, length?: number): void
}

/** Guest-physical pages, from the kernel's allocator. */
export interface PageAllocator {
  /**
   * `count` contiguous zeroed 4 KiB pages, wholly below `limit`; null where there are none. Top down, as Linux's early
   * allocations go.
   */
  allocate(count: number, limit?: number): number | null
  free(address: number, count: number): void
}

/** `privileged`: for privileged transactions alone, of IOMMUs that tell them apart; others map plain memory. */
export type MappingUse = 'memory' | 'privileged'

/** What the IOMMU driver does for the DMA API, per domain. Addresses are Numbers below 2^53, multiples of 4096. */
export interface IommuDomain {
  readonly type: 'dma' | 'dma-fq' | 'identity' | 'blocked'
  /** One past the last IOVA that the page tables reach. */
  readonly apertureEnd: number
  /** False where a page in the range was mapped already, or page-table memory ran out. */
  map(iova: number, physical: number, length: number, access: 1 | 2 | 3, use?: MappingUse): boolean
  /** Clears the entries. The IOTLB may still hold them until `flush`. */
  unmap(iova: number, length: number): void
  /** Invalidates the IOTLB: for a range, or for the whole domain. */
  flush(range?: { readonly iova: number; readonly length: number }): void
}
