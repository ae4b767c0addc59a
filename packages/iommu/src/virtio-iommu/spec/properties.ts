import { bits, bytes, le16, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'virtio 1.3 §5.13.6, PROBE properties'

/** What every property starts with. `length` does not count these four bytes. */
export const virtio_iommu_probe_property = struct('virtio_iommu_probe_property', 'virtio 1.3 §5.13.6, PROBE request', {
  type: le16,
  length: le16,
})

/** The word of `virtio_iommu_probe_property.type`. */
export const VIRTIO_IOMMU_PROBE_TYPE = bits(
  16,
  'virtio_iommu_probe_property.type',
  'virtio 1.3 §5.13.6, PROBE request',
  { reserved: [15, 12], type: [11, 0] },
)

/** Property types. A list ends with type 0, or with its space. */
export const VIRTIO_IOMMU_PROBE_T_NONE = 0
export const VIRTIO_IOMMU_PROBE_T_RESV_MEM = 1

/** Virtual addresses that no MAP request may use. `end` belongs to the range. */
export const virtio_iommu_probe_resv_mem = struct('virtio_iommu_probe_resv_mem', SOURCE, {
  head: virtio_iommu_probe_property,
  subtype: u8,
  reserved: bytes(3),
  start: le64,
  end: le64,
})

/** Values of `virtio_iommu_probe_resv_mem.subtype`. */
export const VIRTIO_IOMMU_RESV_MEM_T_RESERVED = 0
/** A doorbell of message-signalled interrupts. */
export const VIRTIO_IOMMU_RESV_MEM_T_MSI = 1
