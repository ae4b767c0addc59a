import { type ConfigSpace, type OwnRegisterImage, type RegisterImage, readOnlyImage } from '@dmascope/pci'
import { PCI_CAP_ID_VENDOR } from '@dmascope/pci/spec'
import { VIRTIO_PCI_VENDOR_ID } from './spec/device-id.ts'
import {
  COMMON_CFG_OFFSET,
  DEVICE_CFG_OFFSET,
  ISR_CFG_OFFSET,
  MODERN_BAR,
  NOTIFY_CFG_OFFSET,
  NOTIFY_OFF_MULTIPLIER,
  STRUCTURE_SIZE,
} from './spec/qemu-layout.ts'
import {
  VIRTIO_PCI_CAP,
  VIRTIO_PCI_CAP_COMMON_CFG,
  VIRTIO_PCI_CAP_DEVICE_CFG,
  VIRTIO_PCI_CAP_ISR_CFG,
  VIRTIO_PCI_CAP_NOTIFY_CFG,
  VIRTIO_PCI_CAP_PCI_CFG,
  VIRTIO_PCI_CAP_VENDOR_CFG,
  VIRTIO_PCI_CFG_CAP,
  VIRTIO_PCI_NOTIFY_CAP,
  VIRTIO_PCI_VNDR_DATA,
} from './spec/virtio-pci-cap.ts'

function image(size: number, cfgType: number, offset: number, length: number): OwnRegisterImage {
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  const { fields } = VIRTIO_PCI_CAP
  fields.cap_len.set(view, 0, size)
  fields.cfg_type.set(view, 0, cfgType)
  fields.bar.set(view, 0, length === 0 ? 0 : MODERN_BAR)
  fields.offset.set(view, 0, offset)
  fields.length.set(view, 0, length)
  return readOnlyImage(bytes)
}

/** @param flags - the vendor's own byte */
function vendorData(flags: number): RegisterImage {
  const { size, fields } = VIRTIO_PCI_VNDR_DATA
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  fields.cap_len.set(view, 0, size)
  fields.cfg_type.set(view, 0, VIRTIO_PCI_CAP_VENDOR_CFG)
  fields.vendor_id.set(view, 0, VIRTIO_PCI_VENDOR_ID)
  fields.flags.set(view, 0, flags)
  return readOnlyImage(bytes)
}

/** The same for all functions: each takes copies. */
const COMMON = image(VIRTIO_PCI_CAP.size, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_CFG_OFFSET, STRUCTURE_SIZE)
const ISR = image(VIRTIO_PCI_CAP.size, VIRTIO_PCI_CAP_ISR_CFG, ISR_CFG_OFFSET, STRUCTURE_SIZE)
const DEVICE = image(VIRTIO_PCI_CAP.size, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_CFG_OFFSET, STRUCTURE_SIZE)
const NOTIFY = notifyImage()
const WINDOW = windowImage()

function notifyImage(): RegisterImage {
  const notify = image(VIRTIO_PCI_NOTIFY_CAP.size, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_CFG_OFFSET, STRUCTURE_SIZE)
  VIRTIO_PCI_NOTIFY_CAP.fields.notify_off_multiplier.set(new DataView(notify.bytes.buffer), 0, NOTIFY_OFF_MULTIPLIER)
  return notify
}

function windowImage(): RegisterImage {
  const window = image(VIRTIO_PCI_CFG_CAP.size, VIRTIO_PCI_CAP_PCI_CFG, 0, 0)
  const { bar, offset, length, pci_cfg_data } = VIRTIO_PCI_CFG_CAP.fields
  for (const { offset: first, size } of [bar, offset, length, pci_cfg_data]) {
    window.writeMask.fill(0xff, first, first + size)
  }
  return window
}

/**
 * Adds the five virtio capabilities in QEMU's order, and a vendor's where `vendorFlags` are given. Returns where the
 * configuration access window stands.
 */
export function addModernCapabilities(config: ConfigSpace, vendorFlags?: number): number {
  for (const one of [COMMON, ISR, DEVICE, NOTIFY]) config.addCapability(PCI_CAP_ID_VENDOR, one)
  if (vendorFlags !== undefined) config.addCapability(PCI_CAP_ID_VENDOR, vendorData(vendorFlags))
  return config.addCapability(PCI_CAP_ID_VENDOR, WINDOW)
}
