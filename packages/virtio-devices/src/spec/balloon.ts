import { bits, le16, le32, le64, struct } from '@dmascope/layout'

/** virtio 1.3 §5.5.1 */
export const VIRTIO_ID_BALLOON = 5

/** Virtqueues: §5.5.2. */
export const VIRTIO_BALLOON_INFLATEQ = 0
export const VIRTIO_BALLOON_DEFLATEQ = 1
export const VIRTIO_BALLOON_STATSQ = 2

export const VIRTIO_BALLOON_FEATURES = bits(64, 'virtio balloon feature bits', 'virtio 1.3 §5.5.3', {
  VIRTIO_BALLOON_F_MUST_TELL_HOST: 0,
  VIRTIO_BALLOON_F_STATS_VQ: 1,
  VIRTIO_BALLOON_F_DEFLATE_ON_OOM: 2,
  VIRTIO_BALLOON_F_FREE_PAGE_HINT: 3,
  VIRTIO_BALLOON_F_PAGE_POISON: 4,
  VIRTIO_BALLOON_F_PAGE_REPORTING: 5,
})

/** Device configuration: §5.5.4. Pages are of 4096 bytes, whatever the guest's page size. */
export const virtio_balloon_config = struct('virtio_balloon_config', 'virtio 1.3 §5.5.4', {
  num_pages: le32,
  actual: le32,
  free_page_hint_cmd_id: le32,
  poison_val: le32,
})

/** The inflate and deflate queues carry guest-physical page numbers, never bus addresses: §5.5.6. */
export const virtio_balloon_pfn = struct('virtio_balloon_pfn', 'virtio 1.3 §5.5.6', { pfn: le32 })

/** One entry of the statistics queue's buffer: §5.5.6.3. Packed: 10 bytes. */
export const virtio_balloon_stat = struct('virtio_balloon_stat', 'virtio 1.3 §5.5.6.3', { tag: le16, val: le64 })

/** Names of `virtio_balloon_stat.tag`, from 0 on: §5.5.6.4. */
export const VIRTIO_BALLOON_STAT_TAGS = [
  'VIRTIO_BALLOON_S_SWAP_IN',
  'VIRTIO_BALLOON_S_SWAP_OUT',
  'VIRTIO_BALLOON_S_MAJFLT',
  'VIRTIO_BALLOON_S_MINFLT',
  'VIRTIO_BALLOON_S_MEMFREE',
  'VIRTIO_BALLOON_S_MEMTOT',
  'VIRTIO_BALLOON_S_AVAIL',
  'VIRTIO_BALLOON_S_CACHES',
  'VIRTIO_BALLOON_S_HTLB_PGALLOC',
  'VIRTIO_BALLOON_S_HTLB_PGFAIL',
] as const
