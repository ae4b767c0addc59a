import { reg8, reg16, reg32, registers } from '@dmascope/layout'

const SOURCE = 'virtio 1.3 §4.1.4.10'

/**
 * The legacy interface, in I/O space at BAR 0. While MSI-X is enabled two vector registers follow; the device's own
 * configuration comes after them, at `VIRTIO_PCI_LEGACY_CONFIG_OFFSET` or its MSI-X counterpart.
 */
export const VIRTIO_PCI_LEGACY = registers('legacy virtio header', SOURCE, {
  device_features: reg32(0x00, 'ro'),
  driver_features: reg32(0x04, 'rw'),
  /** Page number of the ring, at 4096 bytes a page. */
  queue_address: reg32(0x08, 'rw'),
  queue_size: reg16(0x0c, 'ro'),
  queue_select: reg16(0x0e, 'rw'),
  queue_notify: reg16(0x10, 'rw'),
  device_status: reg8(0x12, 'rw'),
  isr_status: reg8(0x13, 'ro'),
})

/** Only there while MSI-X is enabled. */
export const VIRTIO_PCI_LEGACY_MSIX = registers('legacy virtio header, MSI-X', SOURCE, {
  config_msix_vector: reg16(0x14, 'rw'),
  queue_msix_vector: reg16(0x16, 'rw'),
})

/** Where the device's configuration starts with MSI-X disabled, and with MSI-X enabled. */
export const VIRTIO_PCI_LEGACY_CONFIG_OFFSET = 0x14
export const VIRTIO_PCI_LEGACY_CONFIG_OFFSET_MSIX = 0x18

/** A ring's page, and the alignment of its used part. */
export const VIRTIO_PCI_LEGACY_PAGE_SIZE = 4096
