import { bits, bytes, le16, le32, le64, struct, u8 } from '@dmascope/layout'

/** virtio 1.3 §5.2.1 */
export const VIRTIO_ID_BLOCK = 2

/** The driver's header of every request, device-readable: §5.2.6. */
export const virtio_blk_req = struct('virtio_blk_req', 'virtio 1.3 §5.2.6', {
  type: le32,
  /** `ioprio` of legacy devices. */
  reserved: le32,
  /** In units of 512 bytes, whatever `blk_size` says. */
  sector: le64,
})

/** Values of `virtio_blk_req.type`: §5.2.6. */
export const VIRTIO_BLK_T_IN = 0
export const VIRTIO_BLK_T_OUT = 1
export const VIRTIO_BLK_T_SCSI_CMD = 2
export const VIRTIO_BLK_T_FLUSH = 4
export const VIRTIO_BLK_T_GET_ID = 8
export const VIRTIO_BLK_T_DISCARD = 11
export const VIRTIO_BLK_T_WRITE_ZEROES = 13
/** A flag of legacy drivers on top of the type. */
export const VIRTIO_BLK_T_BARRIER = 0x8000_0000

/** The last device-writable byte of every request: §5.2.6. */
export const VIRTIO_BLK_S_OK = 0
export const VIRTIO_BLK_S_IOERR = 1
export const VIRTIO_BLK_S_UNSUPP = 2

export const VIRTIO_BLK_ID_BYTES = 20
/** The unit of `sector`, `capacity` and `num_sectors`, in bytes. */
export const VIRTIO_BLK_SECTOR_BYTES = 512

/** One segment of a discard or write zeroes request: §5.2.6. */
export const virtio_blk_discard_write_zeroes = struct('virtio_blk_discard_write_zeroes', 'virtio 1.3 §5.2.6', {
  sector: le64,
  num_sectors: le32,
  flags: le32,
})

export const VIRTIO_BLK_DISCARD_WRITE_ZEROES_FLAGS = bits(
  32,
  'virtio_blk_discard_write_zeroes.flags',
  'virtio 1.3 §5.2.6',
  { unmap: 0, reserved: [31, 1] },
)

export const VIRTIO_BLK_FEATURES = bits(64, 'virtio block feature bits', 'virtio 1.3 §5.2.3', {
  VIRTIO_BLK_F_BARRIER: 0,
  VIRTIO_BLK_F_SIZE_MAX: 1,
  VIRTIO_BLK_F_SEG_MAX: 2,
  VIRTIO_BLK_F_GEOMETRY: 4,
  VIRTIO_BLK_F_RO: 5,
  VIRTIO_BLK_F_BLK_SIZE: 6,
  VIRTIO_BLK_F_SCSI: 7,
  VIRTIO_BLK_F_FLUSH: 9,
  VIRTIO_BLK_F_TOPOLOGY: 10,
  VIRTIO_BLK_F_CONFIG_WCE: 11,
  VIRTIO_BLK_F_MQ: 12,
  VIRTIO_BLK_F_DISCARD: 13,
  VIRTIO_BLK_F_WRITE_ZEROES: 14,
  VIRTIO_BLK_F_LIFETIME: 15,
  VIRTIO_BLK_F_SECURE_ERASE: 16,
  VIRTIO_BLK_F_ZONED: 17,
})

/** Device configuration up to and with write zeroes: §5.2.4. */
export const virtio_blk_config = struct('virtio_blk_config', 'virtio 1.3 §5.2.4', {
  capacity: le64,
  size_max: le32,
  seg_max: le32,
  geometry: struct('virtio_blk_geometry', 'virtio 1.3 §5.2.4', { cylinders: le16, heads: u8, sectors: u8 }),
  blk_size: le32,
  topology: struct('virtio_blk_topology', 'virtio 1.3 §5.2.4', {
    physical_block_exp: u8,
    alignment_offset: u8,
    min_io_size: le16,
    opt_io_size: le32,
  }),
  writeback: u8,
  unused0: u8,
  num_queues: le16,
  max_discard_sectors: le32,
  max_discard_seg: le32,
  discard_sector_alignment: le32,
  max_write_zeroes_sectors: le32,
  max_write_zeroes_seg: le32,
  write_zeroes_may_unmap: u8,
  unused1: bytes(3),
})
