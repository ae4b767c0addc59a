import { LEGACY_ONLY_FEATURES } from './offered-features.ts'
import { VIRTIO_PCI_COMMON_CFG } from './spec/common-cfg.ts'
import { hasFeature, VIRTIO_F_RING_RESET } from './spec/features.ts'
import type { QueueState, VirtioTransport } from './transport.ts'
import { acceptedVector } from './vector-registers.ts'

const at = VIRTIO_PCI_COMMON_CFG.registers
const DEVICE_FEATURE_SELECT = at.device_feature_select.offset
const DEVICE_FEATURE = at.device_feature.offset
const DRIVER_FEATURE_SELECT = at.driver_feature_select.offset
const DRIVER_FEATURE = at.driver_feature.offset
const CONFIG_MSIX_VECTOR = at.config_msix_vector.offset
const NUM_QUEUES = at.num_queues.offset
const DEVICE_STATUS = at.device_status.offset
const CONFIG_GENERATION = at.config_generation.offset
const QUEUE_SELECT = at.queue_select.offset
const QUEUE_SIZE = at.queue_size.offset
const QUEUE_MSIX_VECTOR = at.queue_msix_vector.offset
const QUEUE_ENABLE = at.queue_enable.offset
const QUEUE_NOTIFY_OFF = at.queue_notify_off.offset
const QUEUE_DESC = at.queue_desc.offset
const QUEUE_DRIVER = at.queue_driver.offset
const QUEUE_DEVICE = at.queue_device.offset
const QUEUE_RESET = at.queue_reset.offset

/**
 * The common configuration structure. A driver must use each field's own width (virtio 1.3 §4.1.3.1); an access goes to
 * the field that starts at its offset, and one that starts inside a field finds nothing.
 */
export class CommonInterface {
  readonly #transport: VirtioTransport
  readonly #vectors: number
  #deviceFeatureSelect = 0
  #driverFeatureSelect = 0
  /** As written, offered or not. */
  #driverFeatures: [lo: number, hi: number] = [0, 0]
  #queueSelect = 0

  /** @param vectors - MSI-X vectors that the function has; 0 for none */
  constructor(transport: VirtioTransport, vectors: number) {
    this.#transport = transport
    this.#vectors = vectors
  }

  reset(): void {
    this.#deviceFeatureSelect = 0
    this.#driverFeatureSelect = 0
    this.#driverFeatures = [0, 0]
    this.#queueSelect = 0
  }

  read(offset: number): number {
    const transport = this.#transport
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        return this.#deviceFeatureSelect
      case DEVICE_FEATURE:
        return this.#offeredWord()
      case DRIVER_FEATURE_SELECT:
        return this.#driverFeatureSelect
      case DRIVER_FEATURE:
        return this.#driverFeatures[this.#driverFeatureSelect] ?? 0
      case CONFIG_MSIX_VECTOR:
        return transport.configVector
      case NUM_QUEUES:
        return transport.queues.length
      case DEVICE_STATUS:
        return transport.status
      case CONFIG_GENERATION:
        return transport.generation
      case QUEUE_SELECT:
        return this.#queueSelect
      default: {
        // A queue that does not exist has size 0 (§4.1.5.1.3), and nothing else.
        const queue = transport.queues[this.#queueSelect]
        return queue === undefined ? 0 : this.#readQueue(queue, offset)
      }
    }
  }

  write(offset: number, value: number): void {
    const transport = this.#transport
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        this.#deviceFeatureSelect = value
        break
      case DRIVER_FEATURE_SELECT:
        this.#driverFeatureSelect = value
        break
      case DRIVER_FEATURE:
        this.#writeDriverFeature(value)
        break
      case CONFIG_MSIX_VECTOR:
        transport.configVector = acceptedVector(value, this.#vectors)
        break
      case DEVICE_STATUS:
        transport.setStatus(value)
        if (transport.status === 0) this.reset()
        break
      case QUEUE_SELECT:
        this.#queueSelect = value & 0xffff
        break
      default: {
        const queue = transport.queues[this.#queueSelect]
        if (queue !== undefined) this.#writeQueue(queue, offset, value)
      }
    }
  }

  #offeredWord(): number {
    const { offered, device } = this.#transport
    const legacy = device.legacyFeatures
    if (this.#deviceFeatureSelect === 0) return (offered.lo & ~(legacy?.lo ?? 0) & ~LEGACY_ONLY_FEATURES.lo) >>> 0
    return this.#deviceFeatureSelect === 1 ? (offered.hi & ~(legacy?.hi ?? 0)) >>> 0 : 0
  }

  #writeDriverFeature(value: number): void {
    if (this.#driverFeatureSelect > 1) return
    this.#driverFeatures[this.#driverFeatureSelect as 0 | 1] = value
    const [lo, hi] = this.#driverFeatures
    this.#transport.setDriverFeatures({ lo, hi })
  }

  #readQueue(queue: QueueState, offset: number): number {
    switch (offset) {
      case QUEUE_SIZE:
        return queue.size
      case QUEUE_MSIX_VECTOR:
        return queue.vector
      case QUEUE_ENABLE:
        return queue.enabled ? 1 : 0
      case QUEUE_NOTIFY_OFF:
        return this.#queueSelect
      case QUEUE_DESC:
        return queue.descLo
      case QUEUE_DESC + 4:
        return queue.descHi
      case QUEUE_DRIVER:
        return queue.driverLo
      case QUEUE_DRIVER + 4:
        return queue.driverHi
      case QUEUE_DEVICE:
        return queue.deviceLo
      case QUEUE_DEVICE + 4:
        return queue.deviceHi
      default:
        // queue_reset among them: a reset is over when the write returns.
        return 0
    }
  }

  #writeQueue(queue: QueueState, offset: number, value: number): void {
    const transport = this.#transport
    switch (offset) {
      case QUEUE_SIZE:
        transport.setQueueSize(this.#queueSelect, value)
        break
      case QUEUE_MSIX_VECTOR:
        queue.vector = acceptedVector(value, this.#vectors)
        break
      case QUEUE_ENABLE:
        if (value === 1) transport.enableQueue(this.#queueSelect)
        else transport.needsReset(`queue ${this.#queueSelect}: queue_enable was written ${value}, only 1 is allowed`)
        break
      case QUEUE_DESC:
        queue.descLo = value
        break
      case QUEUE_DESC + 4:
        queue.descHi = value
        break
      case QUEUE_DRIVER:
        queue.driverLo = value
        break
      case QUEUE_DRIVER + 4:
        queue.driverHi = value
        break
      case QUEUE_DEVICE:
        queue.deviceLo = value
        break
      case QUEUE_DEVICE + 4:
        queue.deviceHi = value
        break
      case QUEUE_RESET:
        if (value === 1 && hasFeature(transport.negotiated, VIRTIO_F_RING_RESET)) {
          transport.resetQueue(this.#queueSelect)
        }
        break
    }
  }
}
