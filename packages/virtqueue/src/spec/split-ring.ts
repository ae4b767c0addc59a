import { bits, le16, le32, le64, struct } from '@dmascope/layout'

/** One entry of the descriptor table, and of an indirect table: 16 bytes. */
export const VIRTQ_DESC = struct('virtq_desc', 'virtio 1.3 §2.7.5', {
  addr: le64,
  len: le32,
  flags: le16,
  next: le16,
})

export const VIRTQ_DESC_F = bits(16, 'virtq_desc.flags', 'virtio 1.3 §2.7.5', {
  VIRTQ_DESC_F_NEXT: 0,
  VIRTQ_DESC_F_WRITE: 1,
  VIRTQ_DESC_F_INDIRECT: 2,
})

/** What stands before `ring[]` in the driver area: le16 heads, `size` of them, then `used_event`. */
export const VIRTQ_AVAIL = struct('virtq_avail', 'virtio 1.3 §2.7.6', {
  flags: le16,
  idx: le16,
})

export const VIRTQ_AVAIL_F = bits(16, 'virtq_avail.flags', 'virtio 1.3 §2.7.6', {
  VIRTQ_AVAIL_F_NO_INTERRUPT: 0,
})

/** One entry of the used ring. `id` is le32 for padding alone: a head, below the queue's size. */
export const VIRTQ_USED_ELEM = struct('virtq_used_elem', 'virtio 1.3 §2.7.8', {
  id: le32,
  len: le32,
})

/** What stands before `ring[]` in the device area: `size` elements, then `avail_event`. */
export const VIRTQ_USED = struct('virtq_used', 'virtio 1.3 §2.7.8', {
  flags: le16,
  idx: le16,
})

export const VIRTQ_USED_F = bits(16, 'virtq_used.flags', 'virtio 1.3 §2.7.8', {
  VIRTQ_USED_F_NO_NOTIFY: 0,
})

/** Feature bit numbers that change the split ring (virtio 1.3 §6). */
export const VIRTIO_F_INDIRECT_DESC = 28
export const VIRTIO_F_EVENT_IDX = 29

/** Queue sizes are powers of two up to this (virtio 1.3 §2.7). */
export const VIRTQ_MAX_SIZE = 32768
