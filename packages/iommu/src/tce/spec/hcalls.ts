/** Hypervisor calls on TCE tables (LoPAPR §14.5.4.2). */
export const HCALL = {
  /** LIOBN, I/O address; answers the entry. */
  H_GET_TCE: 0x1c,
  /** LIOBN, I/O address, entry. */
  H_PUT_TCE: 0x20,
  /** LIOBN, first I/O address, real address of a page of big-endian entries, their number. */
  H_PUT_TCE_INDIRECT: 0x13c,
  /** LIOBN, first I/O address, entry, number of pages. */
  H_STUFF_TCE: 0x138,
} as const

/** What hypervisor calls return (LoPAPR §14.4). */
export const HCALL_RETURN = {
  H_SUCCESS: 0,
  H_HARDWARE: -1,
  H_FUNCTION: -2,
  H_PARAMETER: -4,
  H_NOT_ENOUGH_RESOURCES: -44,
} as const

/** Most entries of one H_PUT_TCE_INDIRECT: a page of them. */
export const MOST_INDIRECT_TCES = 512
