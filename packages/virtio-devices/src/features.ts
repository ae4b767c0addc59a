import type { BitField } from '@dmascope/layout'
import type { FeatureBits } from '@dmascope/virtio-pci'

/** The feature bits that these fields name. */
export function offer(fields: readonly BitField[]): FeatureBits {
  let lo = 0
  let hi = 0
  for (const { loMask, hiMask } of fields) {
    lo |= loMask
    hi |= hiMask
  }
  return { lo: lo >>> 0, hi: hi >>> 0 }
}

/** Whether the feature bit that `field` names is set. */
export const hasFeature = (features: FeatureBits, field: BitField): boolean =>
  ((features.lo & field.loMask) | (features.hi & field.hiMask)) !== 0

/** VIRTIO_F_VERSION_1 (virtio 1.3 §6), bit 32: belongs to the transport, but changes what some devices read. */
export const isModern = (features: FeatureBits): boolean => (features.hi & 1) !== 0
