import type { DmaPort } from '@dmascope/memory'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import type { FeatureBits } from './spec/features.ts'

export type { FeatureBits }

/**
 * What a virtio device does, apart from how it is reached: a block device, a network card. A transport (virtio over
 * PCI) drives it.
 */
export interface VirtioDevice {
  /** Virtio device type, e.g. 2 for a block device (virtio 1.3 §5). */
  readonly type: number
  /** The type's name in the report, e.g. `virtio-blk`. */
  readonly kind: string
  /** Queue sizes that the device offers; the number of them is the number of queues. */
  readonly queueSizes: readonly number[]
  /** The device type's own feature bits. Bits of ring and transport (28, 29, 32 and up) are the transport's. */
  readonly features: FeatureBits
  /** Of `features`, those that only the legacy interface shows. */
  readonly legacyFeatures?: FeatureBits
  /** Device-specific configuration, as the driver sees it. Offsets outside [0, size) never arrive. */
  readonly config: {
    readonly size: number
    read(offset: number, width: 1 | 2 | 4): number
    write(offset: number, width: 1 | 2 | 4, value: number): void
  }
  /**
   * DRIVER_OK was set: the queues that the driver enabled, by index; null for those that it did not. Called again where
   * the driver resets or enables one of them later (VIRTIO_F_RING_RESET): the others are then the same objects as before.
   */
  activate(queues: readonly (DeviceQueue | null)[], negotiated: FeatureBits, host: VirtioHost): void
  /** The driver notified this queue. Latches; the work is done in `work`. */
  notify(queue: number): void
  work(budget: number): 'idle' | 'more' | 'waiting'
  /** Status was written 0, or the function was reset. Nothing from before may be used. */
  reset(): void
}

/** What a transport gives the device behind it. */
export interface VirtioHost {
  readonly dma: DmaPort
  /** Raises the queue's interrupt, whatever the driver asked for: ask the queue first (`shouldInterrupt`). */
  interrupt(queue: number): void
  /** Raises the configuration change interrupt. */
  configChanged(): void
  /** The device met what it cannot go on from: sets DEVICE_NEEDS_RESET and tells the driver (virtio 1.3 §2.1.1). */
  needsReset(reason: string): void
}
