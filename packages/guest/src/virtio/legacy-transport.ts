import type { CpuBus } from '@dmascope/memory/contracts'
import {
  type FeatureBits,
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_PCI_LEGACY,
  VIRTIO_PCI_LEGACY_CONFIG_OFFSET,
  VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX,
  VIRTIO_PCI_LEGACY_MSIX,
  VIRTIO_PCI_LEGACY_PAGE_SIZE,
} from '@dmascope/virtio-pci/spec'
import { type PciFunction, placedBar } from '../pci/pci-function.ts'
import { RegisterWindow } from '../pci/register-window.ts'
import { VIRTIO_LEGACY_QUEUE_MASK_BITS } from '../profile/drivers.ts'
import type { OfferedQueue, PlacedQueue, VirtioTransport } from './transport.ts'

const L = VIRTIO_PCI_LEGACY.registers
const M = VIRTIO_PCI_LEGACY_MSIX.registers

/** The legacy interface at BAR 0; why it cannot be driven, where it cannot. */
export function findLegacyTransport(bus: CpuBus, fn: PciFunction): VirtioTransport | { readonly refusal: string } {
  if (fn.deviceId < 0x1000 || fn.deviceId > 0x103f) return { refusal: 'no modern interface, and no legacy device ID' }
  if (fn.revision !== 0) return { refusal: `a legacy device has revision 0, this one has ${fn.revision}` }
  const bar = placedBar(fn, 0, 'io')
  if (bar === null || bar.size < VIRTIO_PCI_LEGACY_CONFIG_OFFSET) return { refusal: 'no legacy registers at BAR 0' }
  if (bus.ports === undefined) return { refusal: 'legacy registers are ports, and this machine has none' }
  return new LegacyTransport(fn.subsystemId, new RegisterWindow(bus, bar))
}

class LegacyTransport implements VirtioTransport {
  readonly kind = 'legacy'
  readonly type: number
  readonly featureSource: string
  readonly queueAddressBits = VIRTIO_LEGACY_QUEUE_MASK_BITS
  readonly queueAlign = VIRTIO_PCI_LEGACY_PAGE_SIZE
  readonly #registers: RegisterWindow
  #msix = false

  constructor(type: number, registers: RegisterWindow) {
    this.type = type
    this.#registers = registers
    this.featureSource = `legacy virtio header, port 0x${registers.base.toString(16)}, device_features`
  }

  get status(): number {
    return this.#registers.read(L.device_status.offset, 1)
  }

  setStatus(value: number): void {
    this.#registers.write(L.device_status.offset, 1, value & 0xff)
  }

  reset(): boolean {
    this.setStatus(0)
    return this.status === 0
  }

  readFeatures(): FeatureBits {
    return { lo: this.#registers.read(L.device_features.offset, 4), hi: 0 }
  }

  writeFeatures(features: FeatureBits): void {
    this.#registers.write(L.driver_features.offset, 4, features.lo)
  }

  readConfig(offset: number, width: 1 | 2 | 4): number {
    return this.#registers.read(this.#configOffset + offset, width)
  }

  writeConfig(offset: number, width: 1 | 2 | 4, value: number): void {
    this.#registers.write(this.#configOffset + offset, width, value)
  }

  readonly generation = 0

  readIsr(): number {
    return this.#registers.read(L.isr_status.offset, 1)
  }

  setConfigVector(vector: number): number {
    if (!this.#msix) return VIRTIO_MSI_NO_VECTOR
    this.#registers.write(M.config_msix_vector.offset, 2, vector)
    return this.#registers.read(M.config_msix_vector.offset, 2)
  }

  setQueueVector(queue: number, vector: number): number {
    if (!this.#msix) return VIRTIO_MSI_NO_VECTOR
    this.#select(queue)
    this.#registers.write(M.queue_msix_vector.offset, 2, vector)
    return this.#registers.read(M.queue_msix_vector.offset, 2)
  }

  offeredQueue(queue: number): OfferedQueue | null {
    this.#select(queue)
    const size = this.#registers.read(L.queue_size.offset, 2)
    // A page number that is not 0 is a queue in use.
    return size === 0 || this.#registers.read(L.queue_address.offset, 4) !== 0 ? null : { size }
  }

  placeQueue(queue: number, { desc }: PlacedQueue): string | null {
    const page =
      desc.hi * (0x1_0000_0000 / VIRTIO_PCI_LEGACY_PAGE_SIZE) + Math.floor(desc.lo / VIRTIO_PCI_LEGACY_PAGE_SIZE)
    if (page > 0xffff_ffff) return 'the legacy interface reaches addresses of 44 bits, the ring lies above'
    this.#select(queue)
    this.#registers.write(L.queue_address.offset, 4, page)
    return null
  }

  enableQueue(_queue: number): void {
    // Its address enables it.
  }

  removeQueue(queue: number): void {
    this.#select(queue)
    if (this.#msix) this.setQueueVector(queue, VIRTIO_MSI_NO_VECTOR)
    this.#registers.write(L.queue_address.offset, 4, 0)
  }

  notify(queue: number): void {
    this.#registers.write(L.queue_notify.offset, 2, queue)
  }

  setMsix(enabled: boolean): void {
    this.#msix = enabled
  }

  get #configOffset(): number {
    return this.#msix ? VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX : VIRTIO_PCI_LEGACY_CONFIG_OFFSET
  }

  #select(queue: number): void {
    this.#registers.write(L.queue_select.offset, 2, queue)
  }
}
