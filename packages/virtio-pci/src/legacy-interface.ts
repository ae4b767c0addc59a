import { splitRingLayout } from '@dmascope/virtqueue'
import {
  VIRTIO_PCI_LEGACY,
  VIRTIO_PCI_LEGACY_CONFIG_OFFSET,
  VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX,
  VIRTIO_PCI_LEGACY_MSIX,
  VIRTIO_PCI_LEGACY_PAGE_SIZE,
} from './spec/legacy.ts'
import { VIRTIO_STATUS_ACKNOWLEDGE, VIRTIO_STATUS_DRIVER } from './spec/status.ts'
import { type VirtioTransport, withoutBadFeatures } from './transport.ts'
import { acceptedVector } from './vector-registers.ts'

const at = VIRTIO_PCI_LEGACY.registers
const DEVICE_FEATURES = at.device_features.offset
const DRIVER_FEATURES = at.driver_features.offset
const QUEUE_ADDRESS = at.queue_address.offset
const QUEUE_SIZE = at.queue_size.offset
const QUEUE_SELECT = at.queue_select.offset
const QUEUE_NOTIFY = at.queue_notify.offset
const DEVICE_STATUS = at.device_status.offset
const ISR_STATUS = at.isr_status.offset
const CONFIG_MSIX_VECTOR = VIRTIO_PCI_LEGACY_MSIX.registers.config_msix_vector.offset
const QUEUE_MSIX_VECTOR = VIRTIO_PCI_LEGACY_MSIX.registers.queue_msix_vector.offset

/** The rest of the function, to the legacy registers. */
export interface LegacySurroundings {
  readonly msixEnabled: () => boolean
  /** MSI-X vectors that the function has. */
  readonly vectors: number
  readonly readIsr: () => number
  /** Resets the device, and the other interface's registers with it. */
  readonly resetDevice: () => void
  readonly enableBusMaster: () => void
  readonly readConfig: (offset: number, width: 1 | 2 | 4) => number
  readonly writeConfig: (offset: number, width: 1 | 2 | 4, value: number) => void
}

/**
 * The legacy interface: 32 feature bits, rings given by page number, and the device's configuration right behind.
 * Registers that are not there read as all ones, as QEMU's do.
 */
export class LegacyInterface {
  readonly #transport: VirtioTransport
  readonly #around: LegacySurroundings
  #queueSelect = 0

  constructor(transport: VirtioTransport, around: LegacySurroundings) {
    this.#transport = transport
    this.#around = around
  }

  reset(): void {
    this.#queueSelect = 0
  }

  read(offset: number, width: 1 | 2 | 4): number {
    const config = offset - this.#configOffset
    if (config >= 0) return this.#around.readConfig(config, width)
    const value = this.#readHeader(offset)
    return width === 4 ? value : value & (0xffff_ffff >>> (32 - 8 * width))
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    const config = offset - this.#configOffset
    if (config >= 0) this.#around.writeConfig(config, width, value)
    else this.#writeHeader(offset, value)
  }

  get #configOffset(): number {
    return this.#around.msixEnabled() ? VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX : VIRTIO_PCI_LEGACY_CONFIG_OFFSET
  }

  #readHeader(offset: number): number {
    const transport = this.#transport
    const queue = transport.queues[this.#queueSelect]
    switch (offset) {
      case DEVICE_FEATURES:
        return transport.offered.lo
      case DRIVER_FEATURES:
        return transport.negotiated.lo
      case QUEUE_ADDRESS:
        return queue === undefined
          ? 0
          : (queue.descHi * 2 ** 20 + Math.floor(queue.descLo / VIRTIO_PCI_LEGACY_PAGE_SIZE)) >>> 0
      case QUEUE_SIZE:
        return queue?.size ?? 0
      case QUEUE_SELECT:
        return this.#queueSelect
      case DEVICE_STATUS:
        return transport.status
      case ISR_STATUS:
        return this.#around.readIsr()
      case CONFIG_MSIX_VECTOR:
        return transport.configVector
      case QUEUE_MSIX_VECTOR:
        return queue?.vector ?? acceptedVector(0, 0)
      default:
        return 0xffff_ffff
    }
  }

  #writeHeader(offset: number, value: number): void {
    const transport = this.#transport
    const queue = transport.queues[this.#queueSelect]
    switch (offset) {
      case DRIVER_FEATURES:
        transport.setDriverFeatures(withoutBadFeatures({ lo: value, hi: 0 }))
        break
      case QUEUE_ADDRESS:
        this.#placeQueue(value)
        break
      case QUEUE_SELECT:
        this.#queueSelect = value & 0xffff
        break
      case QUEUE_NOTIFY:
        transport.notify(value & 0xffff)
        break
      case DEVICE_STATUS:
        this.#writeStatus(value & 0xff)
        break
      case CONFIG_MSIX_VECTOR:
        transport.configVector = acceptedVector(value & 0xffff, this.#around.vectors)
        break
      case QUEUE_MSIX_VECTOR:
        if (queue !== undefined) queue.vector = acceptedVector(value & 0xffff, this.#around.vectors)
        break
    }
  }

  #writeStatus(value: number): void {
    if (value === 0) this.#around.resetDevice()
    else this.#transport.setStatus(value)
    // DEVIATION: PCI leaves Bus Master Enable to software. Drivers of old forgot it, so QEMU sets it for them here.
    if (value === (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)) this.#around.enableBusMaster()
  }

  /** The three parts of the ring follow from its page (virtio 1.3 §2.7.2). Page 0 resets the device, as in QEMU. */
  #placeQueue(page: number): void {
    const queue = this.#transport.queues[this.#queueSelect]
    if (page === 0) {
      this.#around.resetDevice()
      return
    }
    // A size that is no power of two can only come from the modern interface, which a driver does not mix with this.
    if (queue === undefined || (queue.size & (queue.size - 1)) !== 0) return
    const layout = splitRingLayout(queue.size, VIRTIO_PCI_LEGACY_PAGE_SIZE)
    const base = page * VIRTIO_PCI_LEGACY_PAGE_SIZE
    const [descHi, descLo] = pair(base)
    const [driverHi, driverLo] = pair(base + layout.driver)
    const [deviceHi, deviceLo] = pair(base + layout.device)
    Object.assign(queue, { descHi, descLo, driverHi, driverLo, deviceHi, deviceLo })
    this.#transport.enableQueue(this.#queueSelect)
  }
}

const pair = (address: number): [hi: number, lo: number] => [Math.floor(address / 2 ** 32), address >>> 0]
