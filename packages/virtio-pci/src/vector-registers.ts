import { VIRTIO_MSI_NO_VECTOR } from './spec/common-cfg.ts'

/**
 * What a vector register holds after this was written: a vector that the function does not have cannot be mapped, and
 * reads back as none, so that the driver finds out (virtio 1.3 §4.1.5.1.2).
 */
export const acceptedVector = (written: number, vectors: number): number =>
  written < vectors ? written : VIRTIO_MSI_NO_VECTOR
