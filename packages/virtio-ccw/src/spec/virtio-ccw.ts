import { be16, be32, be64, le32, struct, u8 } from '@dmascope/layout'

/** Control unit type of every virtio-ccw device; the control unit model is the virtio device type (virtio 1.3 §4.3.1). */
export const VIRTIO_CCW_CU_TYPE = 0x3832

/** Channel commands of virtio devices (virtio 1.3 §4.3.1.1). */
export const VIRTIO_CCW_COMMAND = {
  WRITE_FEAT: 0x11,
  READ_FEAT: 0x12,
  SET_VQ: 0x13,
  WRITE_CONF: 0x21,
  READ_CONF: 0x22,
  WRITE_STATUS: 0x31,
  READ_VQ_CONF: 0x32,
  VDEV_RESET: 0x33,
  SET_IND: 0x43,
  SET_CONF_IND: 0x53,
  READ_STATUS: 0x72,
  SET_IND_ADAPTER: 0x73,
  SET_VIRTIO_REV: 0x83,
} as const

/** The revision and the bytes that follow, of which there are none yet (virtio 1.3 §4.3.2.1). */
export const virtio_rev_info = struct('virtio_rev_info', 'virtio 1.3 §4.3.2.1', { revision: be16, length: be16 })

export const vq_config_block = struct('vq_config_block', 'virtio 1.3 §4.3.2.2', { index: be16, max_num: be16 })

export const vq_info_block = struct('vq_info_block', 'virtio 1.3 §4.3.2.2', {
  desc: be64,
  res0: be32,
  index: be16,
  num: be16,
  driver: be64,
  device: be64,
})

/** What revision 0 has instead: one address, of descriptors and both rings. */
export const vq_info_block_legacy = struct('vq_info_block_legacy', 'virtio 1.3 §4.3.2.2', {
  queue: be64,
  align: be32,
  index: be16,
  num: be16,
})

/** A word of feature bits, little-endian whatever else is big-endian. */
export const virtio_feature_desc = struct('virtio_feature_desc', 'virtio 1.3 §4.3.2.4', { features: le32, index: u8 })

export const virtio_thinint_area = struct('virtio_thinint_area', 'virtio 1.3 §4.3.2.6.3', {
  summary_indicator: be64,
  indicator: be64,
  bit_nr: be64,
  isc: u8,
})

/** Bytes of classic indicators, of queues and of the configuration: a bit for each queue, the lowest for queue 0. */
export const INDICATOR_BYTES = 8

/** The function code of DIAGNOSE for KVM's virtio, and its subcode for a doorbell (virtio 1.3 §4.3.3.2). */
export const DIAG_VIRTIO = 0x500
export const VIRTIO_CCW_NOTIFY = 3
/** Where the machine knows no such subchannel or queue (EINVAL). */
export const NOTIFY_INVALID = -22
