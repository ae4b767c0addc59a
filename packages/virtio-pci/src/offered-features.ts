import {
  type FeatureBits,
  featureBits,
  uniteFeatures,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_NOTIFY_ON_EMPTY,
  VIRTIO_F_PLATFORM_DMA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_UNUSED,
  VIRTIO_F_VERSION_1,
} from './spec/features.ts'
import type { VirtioDevice } from './virtio-device.ts'

/** Bits that only the legacy interface shows: NOTIFY_ON_EMPTY, ANY_LAYOUT and the unused bit 30 (virtio 1.3 §6.3). */
export const LEGACY_ONLY_FEATURES: FeatureBits = featureBits(
  VIRTIO_F_NOTIFY_ON_EMPTY,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_UNUSED,
)

const NONE: FeatureBits = { lo: 0, hi: 0 }

/** What of ring and transport a device offers, whatever it is reached over. */
export interface OfferOptions {
  /** Has the legacy interface. */
  readonly legacy: boolean
  /** Has the interface of virtio 1. */
  readonly modern: boolean
  /** Offers VIRTIO_F_ACCESS_PLATFORM (QEMU's `iommu_platform`). */
  readonly accessPlatform: boolean
  /** Offers VIRTIO_F_PLATFORM_DMA, which is a proposal. Default false. */
  readonly platformDma?: boolean
  /** Offers VIRTIO_F_INDIRECT_DESC. Default true. */
  readonly indirect?: boolean
  /** Offers VIRTIO_F_EVENT_IDX. Default true. */
  readonly eventIndex?: boolean
  /** Offers VIRTIO_F_RING_PACKED (QEMU's `packed`), to drivers that speak virtio 1. Default false. */
  readonly packed?: boolean
  /** Offers VIRTIO_F_RING_RESET. Default true. */
  readonly ringReset?: boolean
  /** Bits of the device's type that it keeps to itself. Default none. */
  readonly withheld?: FeatureBits
}

/** What the device offers: its type's own bits, and those of ring and transport. */
export function offeredBits(device: VirtioDevice, options: OfferOptions): FeatureBits {
  const { legacy, modern } = options
  const numbers: number[] = []
  if (options.indirect !== false) numbers.push(VIRTIO_F_INDIRECT_DESC)
  if (options.eventIndex !== false) numbers.push(VIRTIO_F_EVENT_IDX)
  if (legacy) numbers.push(VIRTIO_F_ANY_LAYOUT)
  if (modern) numbers.push(VIRTIO_F_VERSION_1)
  if (modern && options.packed === true) numbers.push(VIRTIO_F_RING_PACKED)
  if (modern && options.ringReset !== false) numbers.push(VIRTIO_F_RING_RESET)
  if (options.accessPlatform) numbers.push(VIRTIO_F_ACCESS_PLATFORM)
  if (options.platformDma === true) numbers.push(VIRTIO_F_PLATFORM_DMA)
  const own = device.features
  const withheld = options.withheld ?? NONE
  const hidden = withheld.lo | (legacy ? 0 : (device.legacyFeatures?.lo ?? 0))
  return uniteFeatures({ lo: (own.lo & ~hidden) >>> 0, hi: (own.hi & ~withheld.hi) >>> 0 }, featureBits(...numbers))
}
