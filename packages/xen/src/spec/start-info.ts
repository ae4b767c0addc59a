import { bits, bytes, field, le32, le64, struct } from '@dmascope/layout'

const SOURCE = 'Xen public/xen.h, x86-64'

/** What the first processor finds by its register RSI. 64-bit words are aligned, hence the gaps. */
export const START_INFO = struct('start_info', SOURCE, {
  /** `xen-3.0-x86_64`. */
  magic: bytes(32),
  nr_pages: le64,
  /** Machine address. */
  shared_info: le64,
  flags: le32,
  gap_034: bytes(4),
  store_mfn: le64,
  store_evtchn: le32,
  gap_044: bytes(4),
  console: bytes(16),
  /** Virtual, as all that follows. */
  pt_base: le64,
  nr_pt_frames: le64,
  mfn_list: le64,
  mod_start: le64,
  mod_len: le64,
  cmd_line: bytes(1024),
  first_p2m_pfn: le64,
  nr_p2m_frames: le64,
})

/** `start_info.flags`. */
export const START_FLAGS = bits(32, 'SIF', SOURCE, {
  SIF_INITDOMAIN: field(1, 'ro'),
  SIF_PRIVILEGED: field(0, 'ro'),
})

export const START_MAGIC = 'xen-3.0-x86_64'

/**
 * Where a 64-bit Linux has its first virtual addresses, as its note XEN_ELFNOTE_VIRT_BASE tells Xen: guest-physical 0 is
 * there. The lower half of an address, under an upper half of ones; memory from 2 GiB on has no address there.
 */
export const VIRT_BASE_HI = 0xffff_ffff
export const VIRT_BASE_LO = 0x8000_0000
export const VIRT_BYTES = 0x8000_0000
