import type { DtNode } from '../node.ts'

/**
 * A property on a device's node that says that its DMA goes past the IOMMU of its bus. No binding: the discussion of
 * 2015 proposed one and gave it no name, so that this one is made up.
 */
export const IOMMU_BYPASS = 'iommu-bypass'

/** Whether the node says so. */
export const bypassesIommu = (node: DtNode): boolean => node.has(IOMMU_BYPASS)
