import type { FeatureBits } from '@dmascope/virtio-pci/spec'
import type { BoundDriver } from '../drivers/driver.ts'
import type { VirtioDevice } from './virtio-device.ts'

/** A driver of one virtio device type, as the virtio bus sees it. */
export interface VirtioDriver {
  /** Linux's name for it: `virtio_blk`. */
  readonly name: string
  /** Virtio device type. */
  readonly type: number
  /** Only a kernel can drive such devices: they are about its memory. */
  readonly kernelOnly?: true
  /** Feature bits of the device type that it knows. */
  readonly features: readonly number[]
  /** The same for a device without VIRTIO_F_VERSION_1, where it differs. */
  readonly legacyFeatures?: readonly number[]
  /** Takes back bits that it cannot live with, before they are negotiated. */
  validate?(device: VirtioDevice, features: FeatureBits): FeatureBits
  /** Why it cannot drive a device that offers these bits and no others; null where it can. */
  objectsTo?(features: FeatureBits): string | null
  /** Sets up queues and takes the device; answers why it declines, where it does. */
  probe(device: VirtioDevice): BoundDriver | string
}
