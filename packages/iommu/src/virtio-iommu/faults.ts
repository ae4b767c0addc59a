import {
  VIRTIO_IOMMU_FAULT_R_DOMAIN,
  VIRTIO_IOMMU_FAULT_R_MAPPING,
  VIRTIO_IOMMU_FAULT_R_UNKNOWN,
} from './spec/fault.ts'

/** Why an access was refused. */
export interface FaultCause {
  /** 1 and up. */
  readonly value: number
  /** `virtio_iommu_fault.reason` of the event. */
  readonly reason: number
  readonly text: string
}

const made = (value: number, reason: number, text: string): FaultCause => ({ value, reason, text })

/** All faults, with what their event says (virtio 1.3 §5.13.6, Fault reporting). */
export const FAULTS = {
  unknownEndpoint: made(1, VIRTIO_IOMMU_FAULT_R_UNKNOWN, 'endpoint that no request has named'),
  noDomain: made(2, VIRTIO_IOMMU_FAULT_R_DOMAIN, 'endpoint in no domain'),
  notMapped: made(3, VIRTIO_IOMMU_FAULT_R_MAPPING, 'address not mapped'),
  noPermission: made(4, VIRTIO_IOMMU_FAULT_R_MAPPING, 'no permission'),
  reservedRegion: made(5, VIRTIO_IOMMU_FAULT_R_MAPPING, 'address in a reserved region'),
  beyondInputRange: made(6, VIRTIO_IOMMU_FAULT_R_MAPPING, 'address beyond the input range'),
} as const satisfies Record<string, FaultCause>
