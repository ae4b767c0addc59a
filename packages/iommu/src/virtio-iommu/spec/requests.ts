import { bits, bytes, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'virtio 1.3 §5.13.6'

/** The device-readable part of every request starts with it. */
export const virtio_iommu_req_head = struct('virtio_iommu_req_head', SOURCE, { type: u8, reserved: bytes(3) })
/** The device-writable part of every request ends with it. */
export const virtio_iommu_req_tail = struct('virtio_iommu_req_tail', SOURCE, { status: u8, reserved: bytes(3) })

/** Values of `virtio_iommu_req_head.type`. */
export const VIRTIO_IOMMU_T_ATTACH = 1
export const VIRTIO_IOMMU_T_DETACH = 2
export const VIRTIO_IOMMU_T_MAP = 3
export const VIRTIO_IOMMU_T_UNMAP = 4
export const VIRTIO_IOMMU_T_PROBE = 5

/** Values of `virtio_iommu_req_tail.status`. */
export const VIRTIO_IOMMU_S_OK = 0
/** Virtio communication error. */
export const VIRTIO_IOMMU_S_IOERR = 1
/** Unsupported request. */
export const VIRTIO_IOMMU_S_UNSUPP = 2
/** Internal device error. */
export const VIRTIO_IOMMU_S_DEVERR = 3
/** Invalid parameters. */
export const VIRTIO_IOMMU_S_INVAL = 4
/** Out-of-range parameters. */
export const VIRTIO_IOMMU_S_RANGE = 5
/** Entry not found. */
export const VIRTIO_IOMMU_S_NOENT = 6
/** Bad address. */
export const VIRTIO_IOMMU_S_FAULT = 7
/** Insufficient resources. */
export const VIRTIO_IOMMU_S_NOMEM = 8

/** Device-readable parts; each is followed by a device-writable one that ends with the tail. */
export const virtio_iommu_req_attach = struct('virtio_iommu_req_attach', `${SOURCE}, ATTACH request`, {
  head: virtio_iommu_req_head,
  domain: le32,
  endpoint: le32,
  flags: le32,
  reserved: bytes(4),
})

export const VIRTIO_IOMMU_ATTACH_FLAGS = bits(32, 'virtio_iommu_req_attach.flags', `${SOURCE}, ATTACH request`, {
  VIRTIO_IOMMU_ATTACH_F_BYPASS: 0,
})

export const virtio_iommu_req_detach = struct('virtio_iommu_req_detach', `${SOURCE}, DETACH request`, {
  head: virtio_iommu_req_head,
  domain: le32,
  endpoint: le32,
  reserved: bytes(8),
})

/** `virt_end` belongs to the range. */
export const virtio_iommu_req_map = struct('virtio_iommu_req_map', `${SOURCE}, MAP request`, {
  head: virtio_iommu_req_head,
  domain: le32,
  virt_start: le64,
  virt_end: le64,
  phys_start: le64,
  flags: le32,
})

export const VIRTIO_IOMMU_MAP_FLAGS = bits(32, 'virtio_iommu_req_map.flags', `${SOURCE}, MAP request`, {
  VIRTIO_IOMMU_MAP_F_READ: 0,
  VIRTIO_IOMMU_MAP_F_WRITE: 1,
  VIRTIO_IOMMU_MAP_F_MMIO: 2,
})

/** `virt_end` belongs to the range. */
export const virtio_iommu_req_unmap = struct('virtio_iommu_req_unmap', `${SOURCE}, UNMAP request`, {
  head: virtio_iommu_req_head,
  domain: le32,
  virt_start: le64,
  virt_end: le64,
  reserved: bytes(4),
})

/** Its device-writable part: `probe_size` bytes of properties, then the tail. */
export const virtio_iommu_req_probe = struct('virtio_iommu_req_probe', `${SOURCE}, PROBE request`, {
  head: virtio_iommu_req_head,
  endpoint: le32,
  reserved: bytes(64),
})
