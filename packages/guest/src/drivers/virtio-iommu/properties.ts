import {
  VIRTIO_IOMMU_PROBE_T_NONE,
  VIRTIO_IOMMU_PROBE_T_RESV_MEM,
  VIRTIO_IOMMU_PROBE_TYPE,
  VIRTIO_IOMMU_RESV_MEM_T_MSI,
  virtio_iommu_probe_property,
  virtio_iommu_probe_resv_mem,
} from '@dmascope/iommu/virtio-iommu/spec'
import type { EndpointRegion } from '../../iommu/pci-iommu.ts'

const HEAD = virtio_iommu_probe_property.fields
const RESV_MEM = virtio_iommu_probe_resv_mem.fields
const HEAD_BYTES = virtio_iommu_probe_property.size
/** Above this no Number counts bytes exactly. */
const LIMIT = 2 ** 52

/**
 * Reads the properties that a PROBE request brought, up to the first empty one. What cannot be read is left out, with a
 * line in the log.
 *
 * @returns regions by ascending start
 */
export function readProperties(bytes: Uint8Array, log: (line: string) => void): readonly EndpointRegion[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const regions: EndpointRegion[] = []
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const type = VIRTIO_IOMMU_PROBE_TYPE.fields.type.get(HEAD.type.get(view, at))
    if (type === VIRTIO_IOMMU_PROBE_T_NONE) break
    const length = HEAD_BYTES + HEAD.length.get(view, at)
    if (type === VIRTIO_IOMMU_PROBE_T_RESV_MEM) {
      const region = at + length <= bytes.length ? readRegion(view, at, length) : 'it passes the end of the properties'
      if (typeof region === 'string') log(`property at +${at}: ${region}`)
      else if (region !== null) regions.push(region)
    } else log(`property at +${at}: unknown type 0x${type.toString(16)}`)
    at += length
  }
  return regions.sort((a, b) => a.start - b.start)
}

/** Null where it is of no concern: above what a Number counts. */
function readRegion(view: DataView, at: number, length: number): EndpointRegion | string | null {
  if (length < virtio_iommu_probe_resv_mem.size) return `a reserved region in ${length} bytes`
  const start = RESV_MEM.start.hi.get(view, at) * 0x1_0000_0000 + RESV_MEM.start.lo.get(view, at)
  const end = RESV_MEM.end.hi.get(view, at) * 0x1_0000_0000 + RESV_MEM.end.lo.get(view, at)
  if (end < start) return `a reserved region from 0x${start.toString(16)} down to 0x${end.toString(16)}`
  if (start >= LIMIT) return null
  // A subtype that the driver does not know is as good as reserved.
  const kind = RESV_MEM.subtype.get(view, at) === VIRTIO_IOMMU_RESV_MEM_T_MSI ? 'msi' : 'reserved'
  return { kind, start, end: Math.min(end, LIMIT - 1) }
}
