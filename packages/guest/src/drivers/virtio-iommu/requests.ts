import {
  VIRTIO_IOMMU_ATTACH_FLAGS,
  VIRTIO_IOMMU_MAP_FLAGS,
  VIRTIO_IOMMU_T_ATTACH,
  VIRTIO_IOMMU_T_MAP,
  VIRTIO_IOMMU_T_PROBE,
  VIRTIO_IOMMU_T_UNMAP,
  virtio_iommu_req_attach,
  virtio_iommu_req_map,
  virtio_iommu_req_probe,
  virtio_iommu_req_unmap,
} from '@dmascope/iommu/virtio-iommu/spec'

const ATTACH = virtio_iommu_req_attach.fields
const MAP = virtio_iommu_req_map.fields
const UNMAP = virtio_iommu_req_unmap.fields
const PROBE = virtio_iommu_req_probe.fields
const { VIRTIO_IOMMU_MAP_F_READ, VIRTIO_IOMMU_MAP_F_WRITE } = VIRTIO_IOMMU_MAP_FLAGS.fields

// The device-readable parts of requests, as bytes.

export function attachRequest(domain: number, endpoint: number, bypass: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(virtio_iommu_req_attach.size))
  ATTACH.head.fields.type.set(view, 0, VIRTIO_IOMMU_T_ATTACH)
  ATTACH.domain.set(view, 0, domain)
  ATTACH.endpoint.set(view, 0, endpoint)
  ATTACH.flags.set(view, 0, bypass ? VIRTIO_IOMMU_ATTACH_FLAGS.fields.VIRTIO_IOMMU_ATTACH_F_BYPASS.loMask : 0)
  return new Uint8Array(view.buffer)
}

export function mapRequest(
  domain: number,
  start: number,
  physical: number,
  length: number,
  access: 1 | 2 | 3,
): Uint8Array {
  const view = new DataView(new ArrayBuffer(virtio_iommu_req_map.size))
  MAP.head.fields.type.set(view, 0, VIRTIO_IOMMU_T_MAP)
  MAP.domain.set(view, 0, domain)
  MAP.virt_start.number.set(view, 0, start)
  MAP.virt_end.number.set(view, 0, start + length - 1)
  MAP.phys_start.number.set(view, 0, physical)
  const read = (access & 1) === 0 ? 0 : VIRTIO_IOMMU_MAP_F_READ.loMask
  MAP.flags.set(view, 0, read | ((access & 2) === 0 ? 0 : VIRTIO_IOMMU_MAP_F_WRITE.loMask))
  return new Uint8Array(view.buffer)
}

export function unmapRequest(domain: number, start: number, length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(virtio_iommu_req_unmap.size))
  UNMAP.head.fields.type.set(view, 0, VIRTIO_IOMMU_T_UNMAP)
  UNMAP.domain.set(view, 0, domain)
  UNMAP.virt_start.number.set(view, 0, start)
  UNMAP.virt_end.number.set(view, 0, start + length - 1)
  return new Uint8Array(view.buffer)
}

export function probeRequest(endpoint: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(virtio_iommu_req_probe.size))
  PROBE.head.fields.type.set(view, 0, VIRTIO_IOMMU_T_PROBE)
  PROBE.endpoint.set(view, 0, endpoint)
  return new Uint8Array(view.buffer)
}
