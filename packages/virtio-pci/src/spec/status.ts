import { bits } from '@dmascope/layout'

/** The device status register (virtio 1.3 §2.1). Writing 0 resets the device. */
export const VIRTIO_STATUS = bits(8, 'device status', 'virtio 1.3 §2.1', {
  FAILED: 7,
  DEVICE_NEEDS_RESET: 6,
  FEATURES_OK: 3,
  DRIVER_OK: 2,
  DRIVER: 1,
  ACKNOWLEDGE: 0,
})

/** The same as values, for code that writes them one after the other. */
export const VIRTIO_STATUS_ACKNOWLEDGE = VIRTIO_STATUS.fields.ACKNOWLEDGE.loMask
export const VIRTIO_STATUS_DRIVER = VIRTIO_STATUS.fields.DRIVER.loMask
export const VIRTIO_STATUS_DRIVER_OK = VIRTIO_STATUS.fields.DRIVER_OK.loMask
export const VIRTIO_STATUS_FEATURES_OK = VIRTIO_STATUS.fields.FEATURES_OK.loMask
export const VIRTIO_STATUS_DEVICE_NEEDS_RESET = VIRTIO_STATUS.fields.DEVICE_NEEDS_RESET.loMask
export const VIRTIO_STATUS_FAILED = VIRTIO_STATUS.fields.FAILED.loMask

/** ISR status; reading it clears it and takes the interrupt pin down. */
export const VIRTIO_ISR = bits(8, 'ISR status', 'virtio 1.3 §4.1.4.5', {
  DEVICE_CONFIGURATION_INTERRUPT: 1,
  QUEUE_INTERRUPT: 0,
})
