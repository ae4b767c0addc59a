/** What a driver asks for beside a mapping: Linux's DMA_ATTR_*. Each is off unless given. */
export interface DmaAttributes {
  /**
   * DMA_ATTR_SKIP_CPU_SYNC: caches are left alone, and what was bounced is not copied back. The driver does that itself, by
   * `syncForDevice` and `syncForCpu`, or need not. Told to each call for itself: to map, and to unmap.
   */
  readonly skipCpuSync?: boolean
  /** DMA_ATTR_WEAK_ORDERING: reads and writes may pass each other. No platform here lets them, and most of Linux's do not. */
  readonly weakOrdering?: boolean
  /** DMA_ATTR_WRITE_COMBINE: the processor may gather its writes. Past the cache they go as they are here. */
  readonly writeCombine?: boolean
  /**
   * DMA_ATTR_NO_KERNEL_MAPPING: the memory is the device's alone, and `cpu` of the mapping is `NO_CPU_ADDRESS`. Memory that
   * has to be opened for devices, or comes out of a pool, is mapped all the same.
   */
  readonly noKernelMapping?: boolean
  /** DMA_ATTR_ALLOC_SINGLE_PAGES: large pages are not worth looking for, where an IOMMU joins pages. */
  readonly allocSinglePages?: boolean
  /** DMA_ATTR_NO_WARN: that memory or bounce buffers ran out is not reported. */
  readonly noWarn?: boolean
  /** DMA_ATTR_PRIVILEGED: for privileged transactions of the device alone, where the IOMMU tells them apart. */
  readonly privileged?: boolean
  /** DMA_ATTR_FORCE_CONTIGUOUS: in one piece of the processor's memory, even where an IOMMU could join pages. */
  readonly forceContiguous?: boolean
}

/** Nothing of all that. */
export const PLAIN: DmaAttributes = {}

/** `cpu` of memory that the kernel has no mapping of. */
export const NO_CPU_ADDRESS = -1
