import { reg8, reg16, reg32, reg64, registers } from '@dmascope/layout'

/** A vector register that names no vector; also what it reads as where the device could not give one. */
export const VIRTIO_MSI_NO_VECTOR = 0xffff

/** The common configuration structure: about the device first, then about the queue that `queue_select` names. */
export const VIRTIO_PCI_COMMON_CFG = registers('virtio_pci_common_cfg', 'virtio 1.3 §4.1.4.3', {
  device_feature_select: reg32(0x00, 'rw'),
  device_feature: reg32(0x04, 'ro'),
  driver_feature_select: reg32(0x08, 'rw'),
  driver_feature: reg32(0x0c, 'rw'),
  config_msix_vector: reg16(0x10, 'rw', undefined, VIRTIO_MSI_NO_VECTOR),
  num_queues: reg16(0x12, 'ro'),
  device_status: reg8(0x14, 'rw'),
  config_generation: reg8(0x15, 'ro'),
  queue_select: reg16(0x16, 'rw'),
  queue_size: reg16(0x18, 'rw'),
  queue_msix_vector: reg16(0x1a, 'rw', undefined, VIRTIO_MSI_NO_VECTOR),
  queue_enable: reg16(0x1c, 'rw'),
  queue_notify_off: reg16(0x1e, 'ro'),
  queue_desc: reg64(0x20, 'rw'),
  queue_driver: reg64(0x28, 'rw'),
  queue_device: reg64(0x30, 'rw'),
  queue_notif_config_data: reg16(0x38, 'ro'),
  queue_reset: reg16(0x3a, 'rw'),
  admin_queue_index: reg16(0x3c, 'ro'),
  admin_queue_num: reg16(0x3e, 'ro'),
})
