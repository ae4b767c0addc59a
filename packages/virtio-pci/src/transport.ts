import type { DmaPort } from '@dmascope/memory'
import { createDeviceQueue, type DeviceQueue } from '@dmascope/virtqueue/device'
import { VIRTIO_MSI_NO_VECTOR } from './spec/common-cfg.ts'
import {
  type FeatureBits,
  featureBits,
  hasFeature,
  intersectFeatures,
  NO_FEATURES,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_UNUSED,
  VIRTIO_F_VERSION_1,
} from './spec/features.ts'
import { VIRTIO_STATUS_DEVICE_NEEDS_RESET, VIRTIO_STATUS_DRIVER_OK, VIRTIO_STATUS_FEATURES_OK } from './spec/status.ts'
import type { VirtioDevice, VirtioHost } from './virtio-device.ts'

/** One queue's registers. Addresses are bus addresses. */
export interface QueueState {
  size: number
  vector: number
  enabled: boolean
  descHi: number
  descLo: number
  driverHi: number
  driverLo: number
  deviceHi: number
  deviceLo: number
}

/** Which drivers a device refuses that decline an offered VIRTIO_F_ACCESS_PLATFORM. */
export type AccessPlatformInsistence = 'version-1' | 'always' | 'never'

export interface TransportOptions {
  /** Entries that a driver may give any queue, where that is more than what the device starts with. */
  readonly largestQueue?: number
  /** Default `version-1`, as QEMU has it. */
  readonly insists?: AccessPlatformInsistence
}

/** How a transport's interrupts leave it. */
export interface InterruptSink {
  /** A queue has used buffers, or (`config`) the configuration changed; `vector` may be `VIRTIO_MSI_NO_VECTOR`. */
  raise(vector: number, config: boolean): void
  /** Everything that was raised is taken back: the device was reset. */
  clear(): void
}

/**
 * A virtio device's negotiation, status and queues, apart from the registers through which a driver reaches them: what
 * every virtio transport has in common.
 */
export class VirtioTransport implements VirtioHost {
  readonly device: VirtioDevice
  /** What the device offers. An interface may show less: the legacy one only bits 0 to 31. */
  readonly offered: FeatureBits
  readonly queues: readonly QueueState[]
  configVector = VIRTIO_MSI_NO_VECTOR
  #status = 0
  #negotiated = NO_FEATURES
  #generation = 0
  #brokenReason: string | null = null
  #active: (DeviceQueue | null)[] | null = null
  #dma: DmaPort | null = null
  readonly #sink: InterruptSink
  readonly #largestQueue: number

  readonly #insists: AccessPlatformInsistence

  constructor(
    device: VirtioDevice,
    offered: FeatureBits,
    sink: InterruptSink,
    { largestQueue = 0, insists = 'version-1' }: TransportOptions = {},
  ) {
    this.#insists = insists
    this.device = device
    this.#largestQueue = largestQueue
    this.offered = offered
    this.#sink = sink
    this.queues = device.queueSizes.map(freshQueue)
  }

  connect(dma: DmaPort): void {
    this.#dma = dma
  }

  /** @throws TypeError before `connect` */
  get dma(): DmaPort {
    if (this.#dma === null) throw new TypeError('the virtio function is not connected')
    return this.#dma
  }

  get status(): number {
    return this.#status
  }
  get negotiated(): FeatureBits {
    return this.#negotiated
  }
  /** Changes with each change of the configuration (virtio 1.3 §2.5.1). */
  get generation(): number {
    return this.#generation
  }
  /** Why the device needs a reset; null where it does not. */
  get brokenReason(): string | null {
    return this.#brokenReason
  }

  /** Takes what of these is offered. Once FEATURES_OK stands, the negotiation is over and nothing is taken. */
  setDriverFeatures(written: FeatureBits): void {
    if ((this.#status & VIRTIO_STATUS_FEATURES_OK) !== 0) return
    this.#negotiated = intersectFeatures(written, this.offered)
  }

  /**
   * The driver wrote the status register. 0 resets. A write that brings FEATURES_OK is dropped whole where the driver
   * speaks virtio 1 and did not take the offered ACCESS_PLATFORM: it will read that FEATURES_OK does not stand
   * (virtio 1.3 §6.2 lets the device refuse; QEMU does).
   */
  setStatus(written: number): void {
    const value = written & 0xff
    if (value === 0) {
      this.reset()
      return
    }
    const bringsFeaturesOk = (value & ~this.#status & VIRTIO_STATUS_FEATURES_OK) !== 0
    const refuses = this.#insists !== 'never' && !this.#acceptsFeatures()
    if (bringsFeaturesOk && hasFeature(this.#negotiated, VIRTIO_F_VERSION_1) && refuses) return
    this.#changeStatus(value | (this.#status & VIRTIO_STATUS_DEVICE_NEEDS_RESET))
  }

  /** Takes DRIVER_OK away, as QEMU does when bus mastering is turned off: the queues are left alone until it returns. */
  stop(): void {
    this.#changeStatus(this.#status & ~VIRTIO_STATUS_DRIVER_OK)
  }

  /** A write to a queue's size: what is no size that the queue can have is dropped. */
  setQueueSize(index: number, size: number): void {
    const queue = this.queues[index]
    const most = Math.max(this.device.queueSizes[index] ?? 0, this.#largestQueue)
    if (queue !== undefined && size > 0 && size <= most) queue.size = size
  }

  enableQueue(index: number): void {
    const queue = this.queues[index]
    if (queue === undefined || queue.enabled) return
    queue.enabled = true
    this.#replaceQueue(index)
  }

  /** Takes the queue from the device; its registers stay. */
  disableQueue(index: number): void {
    const queue = this.queues[index]
    if (queue === undefined || !queue.enabled) return
    queue.enabled = false
    this.#replaceQueue(index)
  }

  /** VIRTIO_F_RING_RESET: the queue is as after a reset of the device; the others go on. */
  resetQueue(index: number): void {
    const queue = this.queues[index]
    if (queue === undefined) return
    Object.assign(queue, freshQueue(this.device.queueSizes[index]!))
    this.#replaceQueue(index)
  }

  /** The driver's doorbell. Ignored where the device is not running, or there is no such queue. */
  notify(index: number): void {
    if (this.#active?.[index] && this.#brokenReason === null) this.device.notify(index)
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    const active = this.#active
    if (active === null || this.#brokenReason !== null) return 'idle'
    const answer = this.device.work(budget)
    for (let index = 0; index < active.length; index++) {
      const reason = active[index]?.broken
      if (reason != null) this.needsReset(`queue ${index}: ${reason}`)
    }
    return this.#brokenReason === null ? answer : 'idle'
  }

  /** Back to what the device was when it was made. */
  reset(): void {
    this.device.reset()
    this.#active = null
    this.#status = 0
    this.#negotiated = NO_FEATURES
    this.#brokenReason = null
    this.configVector = VIRTIO_MSI_NO_VECTOR
    for (const [index, queue] of this.queues.entries()) Object.assign(queue, freshQueue(this.device.queueSizes[index]!))
    this.#sink.clear()
  }

  interrupt(queue: number): void {
    if (this.#brokenReason !== null) return
    this.#sink.raise(this.queues[queue]?.vector ?? VIRTIO_MSI_NO_VECTOR, false)
  }

  configChanged(): void {
    this.#generation = (this.#generation + 1) & 0xff
    if (this.#brokenReason !== null || (this.#status & VIRTIO_STATUS_DRIVER_OK) === 0) return
    this.#sink.raise(this.configVector, true)
  }

  /** Only a driver that speaks virtio 1 is told; for any other the device just stops. */
  needsReset(reason: string): void {
    if (this.#brokenReason !== null) return
    if (hasFeature(this.#negotiated, VIRTIO_F_VERSION_1)) {
      this.#status |= VIRTIO_STATUS_DEVICE_NEEDS_RESET
      this.configChanged()
    }
    this.#brokenReason = reason
  }

  #acceptsFeatures(): boolean {
    return !hasFeature(this.offered, VIRTIO_F_ACCESS_PLATFORM) || hasFeature(this.#negotiated, VIRTIO_F_ACCESS_PLATFORM)
  }

  #changeStatus(value: number): void {
    const ran = (this.#status & VIRTIO_STATUS_DRIVER_OK) !== 0
    const runs = (value & VIRTIO_STATUS_DRIVER_OK) !== 0
    this.#status = value
    if (runs === ran) return
    if (!runs) {
      this.#active = null
      return
    }
    this.#active = this.queues.map((_, index) => this.#makeQueue(index))
    this.device.activate(this.#active, this.#negotiated, this)
    if (this.#insists === 'always' && !this.#acceptsFeatures()) {
      this.needsReset('the driver declined VIRTIO_F_ACCESS_PLATFORM')
    }
  }

  #replaceQueue(index: number): void {
    if (this.#active === null) return
    this.#active = this.#active.map((queue, at) => (at === index ? this.#makeQueue(index) : queue))
    this.device.activate(this.#active, this.#negotiated, this)
  }

  #makeQueue(index: number): DeviceQueue | null {
    const queue = this.queues[index]!
    if (!queue.enabled) return null
    const packed = hasFeature(this.#negotiated, VIRTIO_F_RING_PACKED)
    if (!packed && (queue.size & (queue.size - 1)) !== 0) {
      this.needsReset(`queue ${index}: its size, ${queue.size}, is no power of two`)
      return null
    }
    return createDeviceQueue(this.dma, queue, {
      packed,
      indirect: hasFeature(this.#negotiated, VIRTIO_F_INDIRECT_DESC),
      eventIndex: hasFeature(this.#negotiated, VIRTIO_F_EVENT_IDX),
    })
  }
}

const freshQueue = (size: number): QueueState => ({
  size,
  vector: VIRTIO_MSI_NO_VECTOR,
  enabled: false,
  descHi: 0,
  descLo: 0,
  driverHi: 0,
  driverLo: 0,
  deviceHi: 0,
  deviceLo: 0,
})

/** What a driver that accepted the unused bit 30 is taken to have accepted: nothing, for it cannot be reading bits. */
export const withoutBadFeatures = (written: FeatureBits): FeatureBits =>
  hasFeature(written, VIRTIO_F_UNUSED) ? featureBits() : written
