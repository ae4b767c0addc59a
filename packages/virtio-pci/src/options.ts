import type { BarOptions, ConfigSpaceOptions, PciFunction } from '@dmascope/pci'
import { type OfferOptions, offeredBits } from './offered-features.ts'
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
import { type FeatureBits, featureBits, uniteFeatures, VIRTIO_F_SR_IOV, VIRTIO_F_UNUSED } from './spec/features.ts'
import { VIRTIO_PCI_LEGACY_CONFIG_OFFSET, VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX } from './spec/legacy.ts'
import { LEGACY_BAR, MODERN_BAR, MODERN_BAR_SIZE, MSIX_BAR } from './spec/qemu-layout.ts'
import type { AccessPlatformInsistence } from './transport.ts'
import type { VirtioDevice } from './virtio-device.ts'

/** The legacy interface shows bits 0 to 31 alone: ACCESS_PLATFORM wants the modern one. */
export interface VirtioPciOptions extends OfferOptions {
  readonly device: VirtioDevice
  /**
   * Which drivers it refuses that decline an offered VIRTIO_F_ACCESS_PLATFORM: those that speak virtio 1, as QEMU does
   * (the default); all; or none. One that does not speak virtio 1 cannot be told: the device stops when it is started.
   */
  readonly insists?: AccessPlatformInsistence
  /** Has Address Translation Services; only a PCI Express function can. Default false. */
  readonly ats?: boolean
  /** Behind a PCI Express port: a modern device then is a PCI Express function. Default false. */
  readonly expressPort?: boolean
  /** MSI-X vectors; 0 for no MSI-X. */
  readonly vectors: number
  /** 24-bit class code. Default: QEMU's for the device type. */
  readonly pciClass?: number
  /** Default: 0 for a device with a legacy interface, 1 for a modern one. */
  readonly revisionId?: number
  /** Flags of a vendor capability (VIRTIO_PCI_CAP_VENDOR_CFG); without it where left out. */
  readonly vendorFlags?: number
  /** Bytes of expansion ROM, a power of two. Default 0: none. */
  readonly romSize?: number
  readonly multifunction?: boolean
  /** Default 1af4:1100 for a modern device, 1af4:<type> for one with a legacy interface. */
  readonly subsystem?: { readonly vendorId: number; readonly id: number }
  /**
   * The SR-IOV capability's numbers, and a function for each of TotalVFs: the device is a physical function, and offers
   * VIRTIO_F_SR_IOV. Needs `expressPort`.
   */
  readonly sriov?: {
    readonly firstVfOffset: number
    readonly vfStride: number
    readonly vfDeviceId: number
    readonly virtualFunctions: readonly PciFunction[]
  }
  /** It is a virtual function, with the capability for Alternative Routing IDs. Default false. */
  readonly virtualFunction?: boolean
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
  if (accessPlatform && !modern) {
    throw new RangeError(`${device.kind}: the legacy interface alone has no way to offer VIRTIO_F_ACCESS_PLATFORM`)
  }
  if (legacy && VIRTIO_PCI_TRANSITIONAL_DEVICE_ID[device.type] === undefined) {
    throw new RangeError(`${device.kind}: type ${device.type} has no legacy interface`)
  }
  if ((options.sriov !== undefined || options.virtualFunction === true) && !isExpress(options)) {
    throw new RangeError(`${device.kind}: SR-IOV is for modern devices behind a PCI Express port`)
  }
  if (!Number.isInteger(vectors) || vectors < 0 || vectors > 2048) {
    throw new RangeError(`${device.kind}: 0 to 2048 MSI-X vectors, not ${vectors}`)
  }
}

/** A device with the modern interface behind a PCI Express port is a PCI Express function; any other is conventional. */
export const isExpress = (options: VirtioPciOptions): boolean => options.modern && options.expressPort === true

/** What the device offers: a legacy interface in PCI has the unused bit 30 too, as QEMU's does. */
export function offeredFeatures(options: VirtioPciOptions): FeatureBits {
  const own = offeredBits(options.device, options)
  const offered = options.sriov === undefined ? own : uniteFeatures(own, featureBits(VIRTIO_F_SR_IOV))
  return options.legacy ? uniteFeatures(offered, featureBits(VIRTIO_F_UNUSED)) : offered
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
    revisionId: options.revisionId ?? (legacy ? VIRTIO_PCI_TRANSITIONAL_REVISION : VIRTIO_PCI_MODERN_REVISION),
    classCode: options.pciClass ?? CLASS_BY_TYPE[device.type] ?? CLASS_UNCLASSIFIED,
    multifunction: options.multifunction === true,
    subsystemVendorId: subsystem.vendorId,
    subsystemId: subsystem.id,
    interruptPin: 1,
    bars,
    romSize: options.romSize ?? 0,
    size: isExpress(options) ? 4096 : 256,
    virtualFunction: options.virtualFunction === true,
  }
}
