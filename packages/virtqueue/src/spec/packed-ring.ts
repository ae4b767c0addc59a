import { bits, le16, le32, le64, struct } from '@dmascope/layout'

/** One entry of the descriptor ring, which both sides write, and of an indirect table: 16 bytes. */
export const PVIRTQ_DESC = struct('pvirtq_desc', 'virtio 1.3 §2.8.13', {
  addr: le64,
  len: le32,
  id: le16,
  flags: le16,
})

export const PVIRTQ_DESC_F = bits(16, 'pvirtq_desc.flags', 'virtio 1.3 §2.8', {
  VIRTQ_DESC_F_NEXT: 0,
  VIRTQ_DESC_F_WRITE: 1,
  VIRTQ_DESC_F_INDIRECT: 2,
  VIRTQ_DESC_F_AVAIL: 7,
  VIRTQ_DESC_F_USED: 15,
})

/** The driver area, which the driver writes, and the device area, which the device writes: when each wants to be told. */
export const PVIRTQ_EVENT_SUPPRESS = struct('pvirtq_event_suppress', 'virtio 1.3 §2.8.14', {
  desc: le16,
  flags: le16,
})

export const PVIRTQ_EVENT_DESC = bits(16, 'pvirtq_event_suppress.desc', 'virtio 1.3 §2.8.14', {
  desc_event_off: [14, 0],
  desc_event_wrap: 15,
})

export const PVIRTQ_EVENT_FLAGS = bits(16, 'pvirtq_event_suppress.flags', 'virtio 1.3 §2.8.14', {
  desc_event_flags: [1, 0],
})

/** Values of `desc_event_flags` (virtio 1.3 §2.8.10). */
export const RING_EVENT_FLAGS_ENABLE = 0
export const RING_EVENT_FLAGS_DISABLE = 1
/** At the descriptor that `desc` names alone; only where VIRTIO_F_EVENT_IDX was negotiated. */
export const RING_EVENT_FLAGS_DESC = 2

/** The feature bit that makes every queue of a device a packed one (virtio 1.3 §6). */
export const VIRTIO_F_RING_PACKED = 34
