import type { DmaPort, InterruptLine, PlatformDevice } from '@dmascope/memory'
import type { FeatureBits, VirtioDevice } from '@dmascope/virtio-pci'
import { LEGACY_ONLY_FEATURES, type OfferOptions, offeredBits, VirtioTransport } from '@dmascope/virtio-pci/transport'
import { LegacyQueues } from './legacy-queues.ts'
import { ModernQueues } from './modern-queues.ts'
import type { QueueRegisters } from './queue-registers.ts'
import {
  VIRTIO_MMIO,
  VIRTIO_MMIO_CONFIG_OFFSET,
  VIRTIO_MMIO_INTERRUPT,
  VIRTIO_MMIO_LEGACY,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_VENDOR_QEMU,
  VIRTIO_MMIO_VERSION_LEGACY,
  VIRTIO_MMIO_VERSION_MODERN,
} from './spec/registers.ts'

/**
 * `legacy`: version 1, with 32 feature bits, rings by page number, no VIRTIO_F_VERSION_1; else version 2. A legacy block
 * has no bit 33 to show: `accessPlatform` changes nothing there, as in QEMU.
 */
export interface VirtioMmioOptions extends Omit<OfferOptions, 'modern'> {
  readonly device: VirtioDevice
  /** What VendorID reads as. Default `QEMU` in ASCII. */
  readonly vendorId?: number
}

/** Entries that a driver may give any queue, whatever the device began with: QEMU's QueueSizeMax. */
const LARGEST_QUEUE = 1024
const NO_SHARED_MEMORY = 0xffff_ffff

const at = VIRTIO_MMIO.registers
const USED_BUFFER = VIRTIO_MMIO_INTERRUPT.fields.USED_BUFFER.loMask
const CONFIGURATION_CHANGE = VIRTIO_MMIO_INTERRUPT.fields.CONFIGURATION_CHANGE.loMask

/** A virtio device behind a block of registers, and an interrupt line that follows InterruptStatus (virtio 1.3 §4.2). */
export class VirtioMmioDevice implements PlatformDevice {
  readonly #transport: VirtioTransport
  readonly #queues: QueueRegisters
  readonly #legacy: boolean
  readonly #vendorId: number
  #line: InterruptLine | null = null
  #asserted = false
  #interruptStatus = 0
  #deviceFeaturesSel = 0
  #driverFeaturesSel = 0
  /** As written, offered or not. */
  readonly #driverFeatures: [lo: number, hi: number] = [0, 0]
  #queueSel = 0

  constructor(options: VirtioMmioOptions) {
    const { device, legacy, accessPlatform } = options
    this.#legacy = legacy
    this.#vendorId = options.vendorId ?? VIRTIO_MMIO_VENDOR_QEMU
    const offered = offeredBits(device, { ...options, modern: !legacy, accessPlatform: accessPlatform && !legacy })
    this.#transport = new VirtioTransport(
      device,
      legacy ? { lo: offered.lo, hi: 0 } : offered,
      {
        raise: (_vector, config) =>
          this.#setInterruptStatus(this.#interruptStatus | USED_BUFFER | (config ? CONFIGURATION_CHANGE : 0)),
        clear: () => this.#setInterruptStatus(0),
      },
      { largestQueue: LARGEST_QUEUE },
    )
    this.#queues = legacy ? new LegacyQueues(this.#transport) : new ModernQueues(this.#transport)
  }

  /** The device status register as it stands, DEVICE_NEEDS_RESET included. */
  get status(): number {
    return this.#transport.status
  }
  get offeredFeatures(): FeatureBits {
    return this.#transport.offered
  }
  /** What the driver accepted of it: in version 2, final once FEATURES_OK stands. */
  get negotiatedFeatures(): FeatureBits {
    return this.#transport.negotiated
  }
  /** Why the device stopped and needs a reset; null where it does not. */
  get brokenReason(): string | null {
    return this.#transport.brokenReason
  }

  connect(dma: DmaPort, line: InterruptLine): void {
    this.#transport.connect(dma)
    this.#line = line
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    return this.#transport.work(budget)
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (offset >= VIRTIO_MMIO_CONFIG_OFFSET) return this.#readConfig(offset - VIRTIO_MMIO_CONFIG_OFFSET, width)
    return width === 4 ? this.#readRegister(offset) >>> 0 : 0
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset >= VIRTIO_MMIO_CONFIG_OFFSET) this.#writeConfig(offset - VIRTIO_MMIO_CONFIG_OFFSET, width, value)
    else if (width === 4) this.#writeRegister(offset, value >>> 0)
  }

  #readRegister(offset: number): number {
    const transport = this.#transport
    switch (offset) {
      case at.MagicValue.offset:
        return VIRTIO_MMIO_MAGIC
      case at.Version.offset:
        return this.#legacy ? VIRTIO_MMIO_VERSION_LEGACY : VIRTIO_MMIO_VERSION_MODERN
      case at.DeviceID.offset:
        return transport.device.type
      case at.VendorID.offset:
        return this.#vendorId
      case at.DeviceFeatures.offset:
        return this.#offeredWord()
      case at.QueueSizeMax.offset:
        return transport.queues[this.#queueSel] === undefined ? 0 : LARGEST_QUEUE
      case at.InterruptStatus.offset:
        return this.#interruptStatus
      case at.Status.offset:
        return transport.status
      case at.ConfigGeneration.offset:
        return this.#legacy ? 0 : transport.generation
      case at.SHMLenLow.offset:
      case at.SHMLenHigh.offset:
        // A length of -1: there is no such region (§4.2.2).
        return this.#legacy ? 0 : NO_SHARED_MEMORY
      default:
        return this.#queues.read(this.#queueSel, offset)
    }
  }

  #writeRegister(offset: number, value: number): void {
    switch (offset) {
      case at.DeviceFeaturesSel.offset:
        this.#deviceFeaturesSel = value
        break
      case at.DriverFeaturesSel.offset:
        this.#driverFeaturesSel = value
        break
      case at.DriverFeatures.offset:
        this.#writeDriverFeatures(value)
        break
      case at.QueueSel.offset:
        this.#queueSel = value
        break
      case at.QueueNotify.offset:
        this.#transport.notify(value)
        break
      case at.InterruptACK.offset:
        this.#setInterruptStatus(this.#interruptStatus & ~value)
        break
      case at.Status.offset:
        this.#writeStatus(value & 0xff)
        break
      case VIRTIO_MMIO_LEGACY.registers.GuestPageSize.offset:
        this.#queues.setPageSize(value)
        break
      default:
        this.#queues.write(this.#queueSel, offset, value)
    }
  }

  /** A word beyond the second has no bits. */
  #offeredWord(): number {
    const { offered, device } = this.#transport
    if (this.#deviceFeaturesSel === 0) {
      const hidden = this.#legacy ? 0 : LEGACY_ONLY_FEATURES.lo | (device.legacyFeatures?.lo ?? 0)
      return offered.lo & ~hidden
    }
    return this.#deviceFeaturesSel === 1 ? offered.hi : 0
  }

  /** Without FEATURES_OK, the legacy driver's bits count as they are written. */
  #writeDriverFeatures(value: number): void {
    if (this.#driverFeaturesSel > 1 || (this.#legacy && this.#driverFeaturesSel !== 0)) return
    this.#driverFeatures[this.#driverFeaturesSel as 0 | 1] = value
    const [lo, hi] = this.#driverFeatures
    this.#transport.setDriverFeatures({ lo, hi })
  }

  #writeStatus(value: number): void {
    this.#transport.setStatus(value)
    if (value === 0) this.#driverFeatures.fill(0)
  }

  #readConfig(offset: number, width: 1 | 2 | 4): number {
    const { config } = this.#transport.device
    return offset + width <= config.size ? config.read(offset, width) : 2 ** (8 * width) - 1
  }

  #writeConfig(offset: number, width: 1 | 2 | 4, value: number): void {
    const { config } = this.#transport.device
    if (offset + width <= config.size) config.write(offset, width, value)
  }

  #setInterruptStatus(status: number): void {
    this.#interruptStatus = status
    const asserted = status !== 0
    if (asserted === this.#asserted) return
    this.#asserted = asserted
    this.#line?.drive(asserted)
  }
}
