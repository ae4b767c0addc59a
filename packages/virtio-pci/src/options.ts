import type { BarOptions, ConfigSpaceOptions } from '@dmascope/pci'
import {
  VIRTIO_ID_BLOCK,
  VIRTIO_ID_CONSOLE,
  VIRTIO_ID_NET,
  VIRTIO_ID_SCSI,
  VIRTIO_PCI_MODERN_DEVICE_ID_BASE,
  VIRTIO_PCI_MODERN_REVISION,
  VIRTIO_PCI_TRANSITIONAL_DEVICE_ID,
  VIRTIO_PCI_TRANSITIONAL_REVISION,
  VIRTIO_PCI_VENDOR_ID,
} from './spec/device-id.ts'
import {
  type FeatureBits,
  featureBits,
  uniteFeatures,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_UNUSED,
  VIRTIO_F_VERSION_1,
} from './spec/features.ts'
import { VIRTIO_PCI_LEGACY_CONFIG_OFFSET, VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX } from './spec/legacy.ts'
import { LEGACY_BAR, MODERN_BAR, MODERN_BAR_SIZE, MSIX_BAR } from './spec/qemu-layout.ts'
import type { VirtioDevice } from './virtio-device.ts'

export interface VirtioPciOptions {
  readonly device: VirtioDevice
  /** Has the legacy interface. With `modern`, the device is transitional. */
  readonly legacy: boolean
  /** Has the modern interface. */
  readonly modern: boolean
  /** Offers VIRTIO_F_ACCESS_PLATFORM (QEMU's `iommu_platform`). A device with a legacy interface cannot. */
  readonly accessPlatform: boolean
  /** Has Address Translation Services; only a PCI Express function can. Default false. */
  readonly ats?: boolean
  /** Behind a PCI Express port: a modern device then is a PCI Express function. Default false. */
  readonly expressPort?: boolean
  /** Offers VIRTIO_F_INDIRECT_DESC. Default true. */
  readonly indirect?: boolean
  /** Offers VIRTIO_F_EVENT_IDX. Default true. */
  readonly eventIndex?: boolean
  /** Offers VIRTIO_F_RING_RESET. Default true. */
  readonly ringReset?: boolean
  /** MSI-X vectors; 0 for no MSI-X. */
  readonly vectors: number
  /** 24-bit class code. Default: QEMU's for the device type. */
  readonly pciClass?: number
  /** Bytes of expansion ROM, a power of two. Default 0: none. */
  readonly romSize?: number
  readonly multifunction?: boolean
  /** Default 1af4:1100 for a modern device, 1af4:<type> for one with a legacy interface. */
  readonly subsystem?: { readonly vendorId: number; readonly id: number }
}

const CLASS_BY_TYPE: Readonly<Record<number, number>> = {
  [VIRTIO_ID_NET]: 0x020000,
  [VIRTIO_ID_BLOCK]: 0x010000,
  [VIRTIO_ID_SCSI]: 0x010000,
  [VIRTIO_ID_CONSOLE]: 0x078000,
}
const CLASS_UNCLASSIFIED = 0x00ff00
const QEMU_SUBSYSTEM_ID = 0x1100

/** @throws RangeError naming what cannot go together */
export function checkOptions(options: VirtioPciOptions): void {
  const { device, legacy, modern, accessPlatform, vectors } = options
  if (!legacy && !modern) throw new RangeError(`${device.kind}: neither the legacy nor the modern interface is there`)
  if (legacy && accessPlatform) {
    throw new RangeError(`${device.kind}: a device with a legacy interface cannot offer VIRTIO_F_ACCESS_PLATFORM`)
  }
  if (legacy && VIRTIO_PCI_TRANSITIONAL_DEVICE_ID[device.type] === undefined) {
    throw new RangeError(`${device.kind}: type ${device.type} has no legacy interface`)
  }
  if (!Number.isInteger(vectors) || vectors < 0 || vectors > 2048) {
    throw new RangeError(`${device.kind}: 0 to 2048 MSI-X vectors, not ${vectors}`)
  }
}

/** A device with the modern interface behind a PCI Express port is a PCI Express function; any other is conventional. */
export const isExpress = (options: VirtioPciOptions): boolean => options.modern && options.expressPort === true

/** What the device offers: its type's own bits, and those of ring and transport. */
export function offeredFeatures(options: VirtioPciOptions): FeatureBits {
  const { device, legacy, modern } = options
  const numbers: number[] = []
  if (options.indirect !== false) numbers.push(VIRTIO_F_INDIRECT_DESC)
  if (options.eventIndex !== false) numbers.push(VIRTIO_F_EVENT_IDX)
  if (legacy) numbers.push(VIRTIO_F_ANY_LAYOUT, VIRTIO_F_UNUSED)
  if (modern) numbers.push(VIRTIO_F_VERSION_1)
  if (modern && options.ringReset !== false) numbers.push(VIRTIO_F_RING_RESET)
  if (options.accessPlatform) numbers.push(VIRTIO_F_ACCESS_PLATFORM)
  const own = device.features
  const hidden = legacy ? 0 : (device.legacyFeatures?.lo ?? 0)
  return uniteFeatures({ lo: (own.lo & ~hidden) >>> 0, hi: own.hi }, featureBits(...numbers))
}

const powerOfTwoFrom = (size: number): number => 2 ** Math.ceil(Math.log2(size))

/** IDs, class and BARs. */
export function configSpaceOptions(options: VirtioPciOptions): ConfigSpaceOptions {
  const { device, legacy, modern, vectors } = options
  const bars: BarOptions[] = []
  if (legacy) {
    const header = vectors > 0 ? VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX : VIRTIO_PCI_LEGACY_CONFIG_OFFSET
    bars.push({ bar: LEGACY_BAR, kind: 'io', size: powerOfTwoFrom(header + device.config.size) })
  }
  if (vectors > 0) {
    const table = Math.max(0x800, vectors * 16)
    const size = Math.max(0x1000, powerOfTwoFrom(table + Math.ceil(vectors / 64) * 8))
    bars.push({ bar: MSIX_BAR, kind: 'memory32', size })
  }
  if (modern) bars.push({ bar: MODERN_BAR, kind: 'memory64', size: MODERN_BAR_SIZE, prefetchable: true })
  const subsystem = options.subsystem ?? {
    vendorId: VIRTIO_PCI_VENDOR_ID,
    id: legacy ? device.type : QEMU_SUBSYSTEM_ID,
  }
  return {
    vendorId: VIRTIO_PCI_VENDOR_ID,
    deviceId: legacy ? VIRTIO_PCI_TRANSITIONAL_DEVICE_ID[device.type]! : VIRTIO_PCI_MODERN_DEVICE_ID_BASE + device.type,
    revisionId: legacy ? VIRTIO_PCI_TRANSITIONAL_REVISION : VIRTIO_PCI_MODERN_REVISION,
    classCode: options.pciClass ?? CLASS_BY_TYPE[device.type] ?? CLASS_UNCLASSIFIED,
    multifunction: options.multifunction === true,
    subsystemVendorId: subsystem.vendorId,
    subsystemId: subsystem.id,
    interruptPin: 1,
    bars,
    romSize: options.romSize ?? 0,
    size: isExpress(options) ? 4096 : 256,
  }
}
