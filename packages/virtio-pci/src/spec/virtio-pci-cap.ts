import { le16, le32, struct, u8 } from '@dmascope/layout'

/** `cfg_type` of a virtio capability: which structure it locates (virtio 1.3 §4.1.4). */
export const VIRTIO_PCI_CAP_COMMON_CFG = 1
export const VIRTIO_PCI_CAP_NOTIFY_CFG = 2
export const VIRTIO_PCI_CAP_ISR_CFG = 3
export const VIRTIO_PCI_CAP_DEVICE_CFG = 4
export const VIRTIO_PCI_CAP_PCI_CFG = 5
export const VIRTIO_PCI_CAP_SHARED_MEMORY_CFG = 8
export const VIRTIO_PCI_CAP_VENDOR_CFG = 9

const VIRTIO_PCI_CAP_FIELDS = {
  /** 0x09: a vendor-specific capability. */
  cap_vndr: u8,
  cap_next: u8,
  cap_len: u8,
  cfg_type: u8,
  bar: u8,
  id: u8,
  padding_0: u8,
  padding_1: u8,
  offset: le32,
  length: le32,
} as const

/** Where one of the virtio structures lies: a BAR, an offset in it, and a length. */
export const VIRTIO_PCI_CAP = struct('virtio_pci_cap', 'virtio 1.3 §4.1.4', VIRTIO_PCI_CAP_FIELDS)

/** The notification structure: queue n is notified at `offset + queue_notify_off * notify_off_multiplier`. */
export const VIRTIO_PCI_NOTIFY_CAP = struct('virtio_pci_notify_cap', 'virtio 1.3 §4.1.4.4', {
  ...VIRTIO_PCI_CAP_FIELDS,
  notify_off_multiplier: le32,
})

/** A window on the BARs for software that cannot map them: an access to `pci_cfg_data` goes where the rest points. */
export const VIRTIO_PCI_CFG_CAP = struct('virtio_pci_cfg_cap', 'virtio 1.3 §4.1.4.9', {
  ...VIRTIO_PCI_CAP_FIELDS,
  pci_cfg_data: le32,
})

/** A vendor's own data. What follows `vendor_id` is the vendor's: here one byte of flags. */
export const VIRTIO_PCI_VNDR_DATA = struct('virtio_pci_vndr_data', 'virtio 1.3, vendor data capability', {
  cap_vndr: u8,
  cap_next: u8,
  cap_len: u8,
  cfg_type: u8,
  vendor_id: le16,
  flags: u8,
  reserved: u8,
})

/** `flags`: the device reaches memory as any other device of its bus does. A proposal of 2015; no device has it. */
export const VIRTIO_PCI_VNDR_NO_BYPASS = 1
/** Programming interface that says the same, and revision from which on a bypass is told of: proposals likewise. */
export const VIRTIO_PCI_PROG_IF_NO_BYPASS = 1
export const VIRTIO_PCI_REVISION_TELLS_BYPASS = 2
