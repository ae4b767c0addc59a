import type { CpuBus } from '@dmascope/memory/contracts'
import {
  VIRTIO_MMIO,
  VIRTIO_MMIO_CONFIG_OFFSET,
  VIRTIO_MMIO_LEGACY,
  VIRTIO_MMIO_VERSION_LEGACY,
} from '@dmascope/virtio-mmio/spec'
import { type FeatureBits, hasFeature, VIRTIO_F_VERSION_1 } from '@dmascope/virtio-pci/spec'
import { NO_VECTOR, type OfferedQueue, type PlacedQueue, type VirtioTransport } from './transport.ts'

const R = VIRTIO_MMIO.registers
const L = VIRTIO_MMIO_LEGACY.registers
const PAGE_SHIFT = 12
const PAGE = 2 ** PAGE_SHIFT
/** Page numbers of the legacy block have 32 bits. */
const LEGACY_ADDRESS_BITS = 32 + PAGE_SHIFT

/** Virtio over MMIO as Linux's `virtio_mmio` drives it, of version 1 or 2. */
export class MmioTransport implements VirtioTransport {
  readonly kind: 'modern' | 'legacy'
  readonly type: number
  readonly featureSource: string
  readonly queueAddressBits: number
  readonly queueAlign = PAGE
  readonly #bus: CpuBus
  readonly #base: number

  constructor(bus: CpuBus, base: number, version: number, type: number) {
    this.#bus = bus
    this.#base = base
    this.type = type
    const legacy = version === VIRTIO_MMIO_VERSION_LEGACY
    this.kind = legacy ? 'legacy' : 'modern'
    this.queueAddressBits = legacy ? LEGACY_ADDRESS_BITS : 64
    this.featureSource = `virtio MMIO registers @0x${base.toString(16)}, version ${version}, DeviceFeatures`
    // The only time that it is told: the page size outlives resets.
    if (legacy) this.#write(L.GuestPageSize.offset, PAGE)
  }

  get status(): number {
    return this.#read(R.Status.offset) & 0xff
  }

  setStatus(value: number): void {
    this.#write(R.Status.offset, value & 0xff)
  }

  /** Linux does not look whether it worked. */
  reset(): boolean {
    this.setStatus(0)
    return true
  }

  readFeatures(): FeatureBits {
    this.#write(R.DeviceFeaturesSel.offset, 1)
    const hi = this.#read(R.DeviceFeatures.offset)
    this.#write(R.DeviceFeaturesSel.offset, 0)
    return { lo: this.#read(R.DeviceFeatures.offset), hi }
  }

  declines(features: FeatureBits): string | null {
    if (this.kind === 'legacy' || hasFeature(features, VIRTIO_F_VERSION_1)) return null
    return 'New virtio-mmio devices (version 2) must provide VIRTIO_F_VERSION_1 feature!'
  }

  writeFeatures(features: FeatureBits): void {
    this.#write(R.DriverFeaturesSel.offset, 1)
    this.#write(R.DriverFeatures.offset, features.hi)
    this.#write(R.DriverFeaturesSel.offset, 0)
    this.#write(R.DriverFeatures.offset, features.lo)
  }

  /** Of a legacy device by bytes, since nobody said which end of its words comes first. */
  readConfig(offset: number, width: 1 | 2 | 4): number {
    const at = this.#base + VIRTIO_MMIO_CONFIG_OFFSET + offset
    const bus = this.#bus
    if (this.kind === 'modern') {
      return width === 4 ? bus.read32(at) : width === 2 ? bus.read16(at) : bus.read8(at)
    }
    let value = 0
    for (let byte = 0; byte < width; byte++) value += bus.read8(at + byte) * 2 ** (8 * byte)
    return value
  }

  writeConfig(offset: number, width: 1 | 2 | 4, value: number): void {
    const at = this.#base + VIRTIO_MMIO_CONFIG_OFFSET + offset
    const bus = this.#bus
    if (this.kind === 'legacy') {
      for (let byte = 0; byte < width; byte++) bus.write8(at + byte, (value >>> (8 * byte)) & 0xff)
    } else if (width === 4) bus.write32(at, value)
    else if (width === 2) bus.write16(at, value)
    else bus.write8(at, value)
  }

  get generation(): number {
    return this.kind === 'legacy' ? 0 : this.#read(R.ConfigGeneration.offset)
  }

  /** Reads what there is, and acknowledges it. */
  readIsr(): number {
    const status = this.#read(R.InterruptStatus.offset)
    this.#write(R.InterruptACK.offset, status)
    return status
  }

  setConfigVector(_vector: number): number {
    return NO_VECTOR
  }

  setQueueVector(_queue: number, _vector: number): number {
    return NO_VECTOR
  }

  offeredQueue(queue: number): OfferedQueue | null {
    this.#select(queue)
    if (this.#read(this.kind === 'legacy' ? L.QueuePFN.offset : R.QueueReady.offset) !== 0) return null
    const size = this.#read(R.QueueSizeMax.offset)
    return size === 0 ? null : { size }
  }

  placeQueue(queue: number, { size, desc, driver, device }: PlacedQueue): string | null {
    this.#select(queue)
    this.#write(R.QueueSize.offset, size)
    if (this.kind === 'legacy') {
      const page = desc.hi * 2 ** (32 - PAGE_SHIFT) + (desc.lo >>> PAGE_SHIFT)
      if (page > 0xffff_ffff) return 'platform bug: legacy virtio-mmio must not be used with RAM above 0x4000GB'
      this.#write(L.QueueAlign.offset, PAGE)
      this.#write(L.QueuePFN.offset, page)
      return null
    }
    this.#write(R.QueueDescLow.offset, desc.lo)
    this.#write(R.QueueDescHigh.offset, desc.hi)
    this.#write(R.QueueDriverLow.offset, driver.lo)
    this.#write(R.QueueDriverHigh.offset, driver.hi)
    this.#write(R.QueueDeviceLow.offset, device.lo)
    this.#write(R.QueueDeviceHigh.offset, device.hi)
    this.#write(R.QueueReady.offset, 1)
    return null
  }

  enableQueue(_queue: number): void {
    // It is enabled as it is placed.
  }

  removeQueue(queue: number): void {
    this.#select(queue)
    this.#write(this.kind === 'legacy' ? L.QueuePFN.offset : R.QueueReady.offset, 0)
  }

  notify(queue: number): void {
    this.#write(R.QueueNotify.offset, queue)
  }

  setMsix(_enabled: boolean): void {
    // There are no messages.
  }

  #select(queue: number): void {
    this.#write(R.QueueSel.offset, queue)
  }

  #read(offset: number): number {
    return this.#bus.read32(this.#base + offset)
  }

  #write(offset: number, value: number): void {
    this.#bus.write32(this.#base + offset, value)
  }
}
