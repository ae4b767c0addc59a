/** Hypervisor calls beside those on TCE tables (LoPAPR §14.5; the H_INT ones are those of XIVE's exploitation mode). */
export const PSERIES_HCALL = {
  H_INT_GET_SOURCE_INFO: 0x3a8,
  H_INT_SET_SOURCE_CONFIG: 0x3ac,
  H_INT_ESB: 0x3c8,
  H_INT_RESET: 0x3d0,
  /** QEMU's own: what the RTAS blob in a guest's memory does with the address of the call's arguments. */
  H_RTAS: 0xf000,
  /** QEMU's own: ibm,client-architecture-support, by way of the firmware. */
  H_CAS: 0xf002,
} as const

/** Flags that H_INT_GET_SOURCE_INFO answers. */
export const SOURCE_FLAGS = { H_INT_ESB: 8, LSI: 4 } as const

/** Flags of H_INT_SET_SOURCE_CONFIG: the source is masked; the fifth argument is what the processor is told of it. */
export const SOURCE_CONFIG_FLAGS = { MASK: 1, SET_EISN: 2 } as const
/** Priorities that software may use; the next is the hypervisor's own. */
export const HIGHEST_PRIORITY = 6
/** Flag of H_INT_ESB: store instead of load. */
export const ESB_STORE = 1
/** log2 of the bytes of a source's event state buffer, and of the page of it that software loads from. */
export const ESB_SHIFT = 17
export const ESB_PAGE_SHIFT = 16

/** What calls return for their second, third and fourth argument. */
export const ARGUMENT_RETURN = { H_P2: -55, H_P3: -56, H_P4: -57 } as const
/** The priority that masks a source. */
export const MASKED_PRIORITY = 0xff

/** Offsets of loads from an event state buffer: what they do besides answering P and Q. */
export const ESB_LOAD = {
  EOI: 0x000,
  GET: 0x800,
  SET_PQ_00: 0xc00,
  SET_PQ_01: 0xd00,
  SET_PQ_10: 0xe00,
  SET_PQ_11: 0xf00,
} as const
