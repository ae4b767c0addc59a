import type { CpuBus } from '@dmascope/memory/contracts'
import { PCI_CAP_ID_VENDOR } from '@dmascope/pci/spec'
import {
  type FeatureBits,
  featureBits,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
  VIRTIO_MSI_NO_VECTOR,
  VIRTIO_PCI_CAP,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_COMMON_CFG,
  VIRTIO_PCI_MODERN_DEVICE_ID_BASE,
  VIRTIO_PCI_NOTIFY_CAP,
} from '@dmascope/virtio-pci/spec'
import type { ConfigAccess } from '../pci/config-access.ts'
import { type PciFunction, placedBar } from '../pci/pci-function.ts'
import { RegisterWindow } from '../pci/register-window.ts'
import type { OfferedQueue, PlacedQueue, VirtioTransport } from './transport.ts'

const C = VIRTIO_PCI_COMMON_CFG.registers
const CAP = VIRTIO_PCI_CAP.fields

/** What Linux before 6.x maps, and every device has: up to and with the queue's addresses. */
const COMMON_BYTES = C.queue_device.offset + 8
/** Linux polls a reset for as long as it takes; a device that needs this many reads will not get there. */
const RESET_POLLS = 1000

/** The virtio structures of a modern device, where its capabilities say that they are. */
interface Structures {
  readonly common: RegisterWindow
  readonly isr: RegisterWindow
  readonly notify: RegisterWindow
  readonly notifyMultiplier: number
  /** Null where the device has no configuration of its own. */
  readonly device: RegisterWindow | null
  /** Configuration space offset of the common configuration's capability. */
  readonly commonCapability: number
}

/** `legacy`: this is no modern device, and the legacy interface may still work. A string: why it cannot be driven. */
export function findModernTransport(
  bus: CpuBus,
  config: ConfigAccess,
  fn: PciFunction,
): VirtioTransport | 'legacy' | { readonly refusal: string } {
  if (fn.deviceId < 0x1000 || fn.deviceId > 0x107f) return 'legacy'
  const found = findStructures(bus, config, fn)
  if (found === 'legacy' || 'refusal' in found) return found
  const transitional = fn.deviceId < VIRTIO_PCI_MODERN_DEVICE_ID_BASE
  const type = transitional ? fn.subsystemId : fn.deviceId - VIRTIO_PCI_MODERN_DEVICE_ID_BASE
  return new ModernTransport(type, found)
}

function findStructures(
  bus: CpuBus,
  config: ConfigAccess,
  fn: PciFunction,
): Structures | 'legacy' | { refusal: string } {
  /** The first capability that locates this structure in a BAR that is there, as Linux picks it. */
  const find = (type: number): number | null => {
    for (const { id, offset } of fn.capabilityList) {
      if (id !== PCI_CAP_ID_VENDOR || config.read(fn, offset + CAP.cfg_type.offset, 1) !== type) continue
      if (placedBar(fn, config.read(fn, offset + CAP.bar.offset, 1)) !== null) return offset
    }
    return null
  }
  const map = (capability: number, least: number, most: number, align: number): RegisterWindow | string => {
    const index = config.read(fn, capability + CAP.bar.offset, 1)
    const bar = placedBar(fn, index)
    const offset = config.read(fn, capability + CAP.offset.offset, 4)
    const length = config.read(fn, capability + CAP.length.offset, 4)
    const at = `capability at 0x${capability.toString(16)}: `
    if (bar === null) return `${at}BAR ${index} is not there`
    if (length < least || length === 0) return `${at}its structure has ${length} bytes, at least ${least} are needed`
    if (offset % align !== 0) return `${at}offset 0x${offset.toString(16)} is not a multiple of ${align}`
    if (offset + least > bar.size) return `${at}its structure lies outside of BAR ${index}`
    return new RegisterWindow(bus, bar, offset, Math.min(length, most, bar.size - offset))
  }
  const common = find(VIRTIO_PCI_CAP_COMMON_CFG)
  if (common === null) return 'legacy'
  const isr = find(VIRTIO_PCI_CAP_ISR_CFG)
  const notify = find(VIRTIO_PCI_CAP_NOTIFY_CFG)
  if (isr === null || notify === null) {
    return { refusal: `no capability for ${isr === null ? 'ISR status' : 'notifications'}` }
  }
  const device = find(VIRTIO_PCI_CAP_DEVICE_CFG)
  const windows = [
    map(common, COMMON_BYTES, VIRTIO_PCI_COMMON_CFG.size, 4),
    map(isr, 1, 1, 1),
    map(notify, 2, Number.MAX_SAFE_INTEGER, 2),
    device === null ? null : map(device, 0, 4096, 4),
  ] as const
  for (const window of windows) if (typeof window === 'string') return { refusal: window }
  const [commonWindow, isrWindow, notifyWindow, deviceWindow] = windows as [
    RegisterWindow,
    RegisterWindow,
    RegisterWindow,
    RegisterWindow | null,
  ]
  return {
    common: commonWindow,
    isr: isrWindow,
    notify: notifyWindow,
    notifyMultiplier: config.read(fn, notify + VIRTIO_PCI_NOTIFY_CAP.fields.notify_off_multiplier.offset, 4),
    device: deviceWindow,
    commonCapability: common,
  }
}

const OWN_FEATURES = featureBits(VIRTIO_F_SR_IOV, VIRTIO_F_RING_RESET)

class ModernTransport implements VirtioTransport {
  readonly kind = 'modern'
  readonly type: number
  readonly featureSource: string
  readonly queueAddressBits = 64
  readonly queueAlign = 4096
  readonly ownFeatures = OWN_FEATURES
  readonly #at: Structures
  /** Byte offset of each queue's doorbell in the notification structure. */
  readonly #doorbells: number[] = []

  constructor(type: number, at: Structures) {
    this.type = type
    this.#at = at
    this.featureSource = `virtio common configuration @0x${at.common.base.toString(16)}, device_feature`
  }

  get status(): number {
    return this.#at.common.read(C.device_status.offset, 1)
  }

  setStatus(value: number): void {
    this.#at.common.write(C.device_status.offset, 1, value & 0xff)
  }

  reset(): boolean {
    this.setStatus(0)
    for (let poll = 0; poll < RESET_POLLS; poll++) if (this.status === 0) return true
    return false
  }

  readFeatures(): FeatureBits {
    const { common } = this.#at
    common.write(C.device_feature_select.offset, 4, 0)
    const lo = common.read(C.device_feature.offset, 4)
    common.write(C.device_feature_select.offset, 4, 1)
    return { lo, hi: common.read(C.device_feature.offset, 4) }
  }

  writeFeatures(features: FeatureBits): void {
    const { common } = this.#at
    common.write(C.driver_feature_select.offset, 4, 0)
    common.write(C.driver_feature.offset, 4, features.lo)
    common.write(C.driver_feature_select.offset, 4, 1)
    common.write(C.driver_feature.offset, 4, features.hi)
  }

  readConfig(offset: number, width: 1 | 2 | 4): number {
    return this.#at.device?.read(offset, width) ?? (width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff)
  }

  writeConfig(offset: number, width: 1 | 2 | 4, value: number): void {
    this.#at.device?.write(offset, width, value)
  }

  get generation(): number {
    return this.#at.common.read(C.config_generation.offset, 1)
  }

  readIsr(): number {
    return this.#at.isr.read(0, 1)
  }

  setConfigVector(vector: number): number {
    this.#at.common.write(C.config_msix_vector.offset, 2, vector)
    return this.#at.common.read(C.config_msix_vector.offset, 2)
  }

  setQueueVector(queue: number, vector: number): number {
    this.#select(queue)
    this.#at.common.write(C.queue_msix_vector.offset, 2, vector)
    return this.#at.common.read(C.queue_msix_vector.offset, 2)
  }

  offeredQueue(queue: number): OfferedQueue | null {
    const { common } = this.#at
    if (queue >= common.read(C.num_queues.offset, 2)) return null
    this.#select(queue)
    const size = common.read(C.queue_size.offset, 2)
    return size === 0 || common.read(C.queue_enable.offset, 2) !== 0 ? null : { size }
  }

  placeQueue(queue: number, placed: PlacedQueue): string | null {
    const { common, notify, notifyMultiplier } = this.#at
    this.#select(queue)
    const doorbell = common.read(C.queue_notify_off.offset, 2) * notifyMultiplier
    if (doorbell + 2 > notify.length) return `the doorbell of queue ${queue} lies outside of the notification structure`
    this.#doorbells[queue] = doorbell
    common.write(C.queue_size.offset, 2, placed.size)
    common.write(C.queue_desc.offset, 4, placed.desc.lo)
    common.write(C.queue_desc.offset + 4, 4, placed.desc.hi)
    common.write(C.queue_driver.offset, 4, placed.driver.lo)
    common.write(C.queue_driver.offset + 4, 4, placed.driver.hi)
    common.write(C.queue_device.offset, 4, placed.device.lo)
    common.write(C.queue_device.offset + 4, 4, placed.device.hi)
    return null
  }

  enableQueue(queue: number): void {
    this.#select(queue)
    this.#at.common.write(C.queue_enable.offset, 2, 1)
  }

  removeQueue(queue: number): void {
    // An enabled queue goes with a reset alone; one that is not enabled yet only forgets its vector.
    this.setQueueVector(queue, VIRTIO_MSI_NO_VECTOR)
  }

  notify(queue: number): void {
    const doorbell = this.#doorbells[queue]
    if (doorbell !== undefined) this.#at.notify.write(doorbell, 2, queue)
  }

  setMsix(_enabled: boolean): void {
    // The modern layout is the same either way.
  }

  #select(queue: number): void {
    this.#at.common.write(C.queue_select.offset, 2, queue)
  }
}
