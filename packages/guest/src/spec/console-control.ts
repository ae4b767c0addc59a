import { le16, le32, struct } from '@dmascope/layout'

/** What both sides of a console with several ports tell each other. */
export const virtio_console_control = struct('virtio_console_control', 'virtio 1.3 §5.3.6.2', {
  id: le32,
  event: le16,
  value: le16,
})

/** Values of `virtio_console_control.event`. */
export const VIRTIO_CONSOLE_EVENT = {
  DEVICE_READY: 0,
  PORT_ADD: 1,
  PORT_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const
