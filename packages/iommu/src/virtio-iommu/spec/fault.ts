import { bits, bytes, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'virtio 1.3 §5.13.6, Fault reporting'

/** What the device writes into a buffer of the event queue. */
export const virtio_iommu_fault = struct('virtio_iommu_fault', SOURCE, {
  reason: u8,
  reserved: bytes(3),
  flags: le32,
  endpoint: le32,
  reserved1: le32,
  address: le64,
})

/** Values of `virtio_iommu_fault.reason`. */
export const VIRTIO_IOMMU_FAULT_R_UNKNOWN = 0
/** The endpoint is in no domain. */
export const VIRTIO_IOMMU_FAULT_R_DOMAIN = 1
/** The address is not mapped, or not for this access. */
export const VIRTIO_IOMMU_FAULT_R_MAPPING = 2

export const VIRTIO_IOMMU_FAULT_FLAGS = bits(32, 'virtio_iommu_fault.flags', SOURCE, {
  VIRTIO_IOMMU_FAULT_F_ADDRESS: 8,
  VIRTIO_IOMMU_FAULT_F_WRITE: 1,
  VIRTIO_IOMMU_FAULT_F_READ: 0,
})
