import { bits, bytes, le16, le32, struct, u8 } from '@dmascope/layout'

/** virtio 1.3 §5.1.1 */
export const VIRTIO_ID_NET = 1

/** Virtqueues of a device with one pair of them: §5.1.2. */
export const VIRTIO_NET_RECEIVEQ = 0
export const VIRTIO_NET_TRANSMITQ = 1
export const VIRTIO_NET_CTRLQ = 2

/**
 * What precedes every packet: §5.1.6. A legacy driver that did not negotiate VIRTIO_NET_F_MRG_RXBUF has it without
 * `num_buffers`, 10 bytes long.
 */
export const virtio_net_hdr = struct('virtio_net_hdr', 'virtio 1.3 §5.1.6', {
  flags: u8,
  gso_type: u8,
  hdr_len: le16,
  gso_size: le16,
  csum_start: le16,
  csum_offset: le16,
  num_buffers: le16,
})

/** Bytes of the header without `num_buffers`. */
export const VIRTIO_NET_HDR_LEGACY_BYTES = 10

export const VIRTIO_NET_HDR_FLAGS = bits(8, 'virtio_net_hdr.flags', 'virtio 1.3 §5.1.6', {
  VIRTIO_NET_HDR_F_NEEDS_CSUM: 0,
  VIRTIO_NET_HDR_F_DATA_VALID: 1,
  VIRTIO_NET_HDR_F_RSC_INFO: 2,
})
export const VIRTIO_NET_HDR_GSO_NONE = 0

export const VIRTIO_NET_FEATURES = bits(64, 'virtio network feature bits', 'virtio 1.3 §5.1.3', {
  VIRTIO_NET_F_CSUM: 0,
  VIRTIO_NET_F_GUEST_CSUM: 1,
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS: 2,
  VIRTIO_NET_F_MTU: 3,
  VIRTIO_NET_F_MAC: 5,
  /** Legacy only: §5.1.3.2. */
  VIRTIO_NET_F_GSO: 6,
  VIRTIO_NET_F_GUEST_TSO4: 7,
  VIRTIO_NET_F_GUEST_TSO6: 8,
  VIRTIO_NET_F_GUEST_ECN: 9,
  VIRTIO_NET_F_GUEST_UFO: 10,
  VIRTIO_NET_F_HOST_TSO4: 11,
  VIRTIO_NET_F_HOST_TSO6: 12,
  VIRTIO_NET_F_HOST_ECN: 13,
  VIRTIO_NET_F_HOST_UFO: 14,
  VIRTIO_NET_F_MRG_RXBUF: 15,
  VIRTIO_NET_F_STATUS: 16,
  VIRTIO_NET_F_CTRL_VQ: 17,
  VIRTIO_NET_F_CTRL_RX: 18,
  VIRTIO_NET_F_CTRL_VLAN: 19,
  VIRTIO_NET_F_CTRL_RX_EXTRA: 20,
  VIRTIO_NET_F_GUEST_ANNOUNCE: 21,
  VIRTIO_NET_F_MQ: 22,
  VIRTIO_NET_F_CTRL_MAC_ADDR: 23,
})

/** Device configuration up to and with the fields of the features that are offered here: §5.1.4. */
export const virtio_net_config = struct('virtio_net_config', 'virtio 1.3 §5.1.4', {
  mac: bytes(6),
  status: le16,
})

export const VIRTIO_NET_STATUS = bits(16, 'virtio_net_config.status', 'virtio 1.3 §5.1.4', {
  VIRTIO_NET_S_LINK_UP: 0,
  VIRTIO_NET_S_ANNOUNCE: 1,
})

/** Head of a control command; the command's data follow, then one device-writable byte `ack`: §5.1.6.5. */
export const virtio_net_ctrl = struct('virtio_net_ctrl', 'virtio 1.3 §5.1.6.5', { class: u8, command: u8 })

export const VIRTIO_NET_OK = 0
export const VIRTIO_NET_ERR = 1

/** Classes, and commands of each, that this device knows: §5.1.6.5. */
export const VIRTIO_NET_CTRL_RX = 0
export const VIRTIO_NET_CTRL_RX_PROMISC = 0
export const VIRTIO_NET_CTRL_RX_ALLMULTI = 1
export const VIRTIO_NET_CTRL_RX_ALLUNI = 2
export const VIRTIO_NET_CTRL_RX_NOMULTI = 3
export const VIRTIO_NET_CTRL_RX_NOUNI = 4
export const VIRTIO_NET_CTRL_RX_NOBCAST = 5
export const VIRTIO_NET_CTRL_MAC = 1
export const VIRTIO_NET_CTRL_MAC_TABLE_SET = 0
export const VIRTIO_NET_CTRL_MAC_ADDR_SET = 1
export const VIRTIO_NET_CTRL_VLAN = 2
export const VIRTIO_NET_CTRL_VLAN_ADD = 0
export const VIRTIO_NET_CTRL_VLAN_DEL = 1
export const VIRTIO_NET_CTRL_ANNOUNCE = 3
export const VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS = 5
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET = 0

/** Head of each of the two tables of VIRTIO_NET_CTRL_MAC_TABLE_SET; `entries` addresses of 6 bytes follow. */
export const virtio_net_ctrl_mac = struct('virtio_net_ctrl_mac', 'virtio 1.3 §5.1.6.5', { entries: le32 })
/** Data of VIRTIO_NET_CTRL_VLAN. */
export const virtio_net_ctrl_vlan = struct('virtio_net_ctrl_vlan', 'virtio 1.3 §5.1.6.5', { id: le16 })
