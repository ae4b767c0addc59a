import { bits, bytes, field, le16, le32, le64, struct } from '@dmascope/layout'

const SOURCE = 'Xen public/memory.h, x86-64'

/** Commands of `memory_op`. */
export const XENMEM = {
  maximum_ram_page: 2,
  current_reservation: 3,
  maximum_reservation: 4,
  machine_memory_map: 10,
  exchange: 11,
} as const

/** `xen_memory_reservation.mem_flags`: address bits that the extents have to be reached with, 0 for any. */
export const XENMEMF = bits(32, 'XENMEMF', SOURCE, { address_bits: field([7, 0], 'rw') })

export const XEN_MEMORY_RESERVATION = struct('xen_memory_reservation', SOURCE, {
  /** Virtual address of frame numbers, 64 bits each. */
  extent_start: le64,
  nr_extents: le64,
  extent_order: le32,
  mem_flags: le32,
  domid: le16,
  gap_1a: bytes(6),
})

/** Frames that are given back, and frames wanted for them: as many pages in other extents. */
export const XEN_MEMORY_EXCHANGE = struct('xen_memory_exchange', SOURCE, {
  in: XEN_MEMORY_RESERVATION,
  out: XEN_MEMORY_RESERVATION,
  nr_exchanged: le64,
})

export const XEN_MEMORY_MAP = struct('xen_memory_map', SOURCE, {
  nr_entries: le32,
  gap_04: bytes(4),
  /** Virtual address of entries as BIOS call E820 answers them. */
  buffer: le64,
})
