import { bits, le16, le32, struct } from '@dmascope/layout'

/** virtio 1.3 §5.3.1 */
export const VIRTIO_ID_CONSOLE = 3

/** Virtqueues: those of port 0, those for control, then a pair for each further port. §5.3.2. */
export const VIRTIO_CONSOLE_RECEIVEQ = 0
export const VIRTIO_CONSOLE_TRANSMITQ = 1
export const VIRTIO_CONSOLE_CONTROL_RECEIVEQ = 2
export const VIRTIO_CONSOLE_CONTROL_TRANSMITQ = 3

export const VIRTIO_CONSOLE_FEATURES = bits(64, 'virtio console feature bits', 'virtio 1.3 §5.3.3', {
  VIRTIO_CONSOLE_F_SIZE: 0,
  VIRTIO_CONSOLE_F_MULTIPORT: 1,
  VIRTIO_CONSOLE_F_EMERG_WRITE: 2,
})

/** Device configuration: §5.3.4. */
export const virtio_console_config = struct('virtio_console_config', 'virtio 1.3 §5.3.4', {
  cols: le16,
  rows: le16,
  max_nr_ports: le32,
  emerg_wr: le32,
})

/** What both sides of a console with several ports tell each other over the control queues. */
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

/** Follows a RESIZE message. */
export const virtio_console_resize = struct('virtio_console_resize', 'virtio 1.3 §5.3.6.2', {
  cols: le16,
  rows: le16,
})
