/** PCI vendor ID of every virtio device, and the first device ID of modern ones (virtio 1.3 §4.1.2). */
export const VIRTIO_PCI_VENDOR_ID = 0x1af4
export const VIRTIO_PCI_MODERN_DEVICE_ID_BASE = 0x1040

/** Virtio device types (virtio 1.3 §5). */
export const VIRTIO_ID_NET = 1
export const VIRTIO_ID_BLOCK = 2
export const VIRTIO_ID_CONSOLE = 3
export const VIRTIO_ID_ENTROPY = 4
export const VIRTIO_ID_BALLOON = 5
export const VIRTIO_ID_SCSI = 8
export const VIRTIO_ID_9P = 9
export const VIRTIO_ID_VSOCK = 19
export const VIRTIO_ID_IOMMU = 23

/**
 * PCI device IDs of transitional devices, by type (virtio 1.3 §4.1.2). Types beyond these have none. The socket
 * device's is QEMU's; the specification does not list it.
 */
export const VIRTIO_PCI_TRANSITIONAL_DEVICE_ID: Readonly<Record<number, number>> = {
  [VIRTIO_ID_NET]: 0x1000,
  [VIRTIO_ID_BLOCK]: 0x1001,
  [VIRTIO_ID_BALLOON]: 0x1002,
  [VIRTIO_ID_CONSOLE]: 0x1003,
  [VIRTIO_ID_SCSI]: 0x1004,
  [VIRTIO_ID_ENTROPY]: 0x1005,
  [VIRTIO_ID_9P]: 0x1009,
  [VIRTIO_ID_VSOCK]: 0x1012,
}

/** Revision of a transitional device, and of one that is modern only. */
export const VIRTIO_PCI_TRANSITIONAL_REVISION = 0
export const VIRTIO_PCI_MODERN_REVISION = 1
