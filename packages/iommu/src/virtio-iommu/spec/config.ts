import { bits, bytes, le32, le64, struct, u8 } from '@dmascope/layout'

/** virtio 1.3 §5.13.1 */
export const VIRTIO_ID_IOMMU = 23

/** Virtqueues: §5.13.2. */
export const VIRTIO_IOMMU_REQUESTQ = 0
export const VIRTIO_IOMMU_EVENTQ = 1

export const VIRTIO_IOMMU_FEATURES = bits(64, 'virtio IOMMU feature bits', 'virtio 1.3 §5.13.3', {
  VIRTIO_IOMMU_F_INPUT_RANGE: 0,
  VIRTIO_IOMMU_F_DOMAIN_RANGE: 1,
  VIRTIO_IOMMU_F_MAP_UNMAP: 2,
  /** Superseded by BYPASS_CONFIG; a device does not offer both. */
  VIRTIO_IOMMU_F_BYPASS: 3,
  VIRTIO_IOMMU_F_PROBE: 4,
  VIRTIO_IOMMU_F_MMIO: 5,
  VIRTIO_IOMMU_F_BYPASS_CONFIG: 6,
})

/** Both ends belong to the range. */
export const virtio_iommu_range_64 = struct('virtio_iommu_range_64', 'virtio 1.3 §5.13.4', { start: le64, end: le64 })
export const virtio_iommu_range_32 = struct('virtio_iommu_range_32', 'virtio 1.3 §5.13.4', { start: le32, end: le32 })

/** Device configuration: §5.13.4. */
export const virtio_iommu_config = struct('virtio_iommu_config', 'virtio 1.3 §5.13.4', {
  /** Sizes of pages that can be mapped; the lowest bit is the granularity of every mapping. */
  page_size_mask: le64,
  input_range: virtio_iommu_range_64,
  domain_range: virtio_iommu_range_32,
  /** Bytes of properties in a PROBE request. */
  probe_size: le32,
  /** 1: endpoints that are in no domain bypass. The only field that a driver writes; it outlives a device reset. */
  bypass: u8,
  reserved: bytes(3),
})
