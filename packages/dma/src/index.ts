export type { Direction, DmaMapping, DmaOps, IommuDomain, PageAllocator } from './dma-ops.ts'
