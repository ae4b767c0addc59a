import { bits, le16, le32, struct } from '@dmascope/layout'

/** virtio 1.3 §5.3.1 */
export const VIRTIO_ID_CONSOLE = 3

/** Virtqueues of port 0: §5.3.2. */
export const VIRTIO_CONSOLE_RECEIVEQ = 0
export const VIRTIO_CONSOLE_TRANSMITQ = 1

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
