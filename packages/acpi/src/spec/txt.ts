import { array, bytes, le32, le64, reg64, registers, struct, u8 } from '@dmascope/layout'

/**
 * What a measured launch by Intel TXT leaves for the kernel: tboot's shared page, and the heap in which the launch
 * keeps a copy of the DMAR where no device reaches. Names are those of Linux's and tboot's own declarations, which are
 * the specification of the shared page, and of the TXT software development guide.
 */
const TBOOT = "tboot's shared page"
const TXT = 'Intel TXT software development guide, appendix on the TXT heap'

const GENERIC_ADDRESS = struct('tboot_acpi_generic_address', TBOOT, {
  space_id: u8,
  bit_width: u8,
  bit_offset: u8,
  access_width: u8,
  address: le64,
})

/** How to put the machine to sleep: the kernel fills it in. */
const SLEEP_INFO = struct('tboot_acpi_sleep_info', TBOOT, {
  pm1a_cnt_blk: GENERIC_ADDRESS,
  pm1b_cnt_blk: GENERIC_ADDRESS,
  pm1a_evt_blk: GENERIC_ADDRESS,
  pm1b_evt_blk: GENERIC_ADDRESS,
  pm1_cnt_val: bytes(4),
  wakeup_vector: le64,
  vector_width: le32,
  kernel_s3_resume_vector: le64,
})

const MAC_REGION = struct('tboot_mac_region', TBOOT, { start: le64, size: le32 })

/** Packed. Its address stands in the kernel's boot parameters. */
export const TBOOT_SHARED_PAGE = struct('tboot', TBOOT, {
  uuid: bytes(16),
  /** 5 and later have all of these fields. */
  version: le32,
  log_addr: le32,
  shutdown_entry: le32,
  shutdown_type: le32,
  acpi_sinfo: SLEEP_INFO,
  /** Where tboot itself lies. */
  tboot_base: le32,
  tboot_size: le32,
  num_mac_regions: u8,
  mac_regions: array(MAC_REGION, 32),
  s3_key: bytes(64),
  reserved_align: bytes(3),
  num_in_wfs: le32,
})

/** 663c8dff-e8b3-4b82-aabf-19ea4d057a08. */
export const TBOOT_UUID: readonly number[] = [
  0xff, 0x8d, 0x3c, 0x66, 0xb3, 0xe8, 0x82, 0x4b, 0xbf, 0xaa, 0x19, 0xea, 0x4d, 0x05, 0x7a, 0x08,
]
export const TBOOT_VERSION = 6

/** TXT's configuration registers show twice: here for who may write them, and a second time for all. */
export const TXT_PRIVATE_BASE = 0xfed2_0000
export const TXT_PUBLIC_BASE = 0xfed3_0000
/** Bytes of either. */
export const TXT_SPACE_SIZE = 0x1_0000

export const TXT_REGISTERS = registers('TXT configuration registers', TXT, {
  HEAP_BASE: reg64(0x300, 'rw'),
  HEAP_SIZE: reg64(0x308, 'rw'),
})

/** Tables of the heap, one behind the other. Each begins with its own length, these eight bytes among it. */
export const TXT_HEAP_TABLES = ['BiosData', 'OsMleData', 'OsSinitData', 'SinitMleData'] as const

/** The part of `OsSinitData` that tells which memory is closed to devices. */
export const OS_SINIT_DATA = struct('OsSinitData', TXT, {
  version: le32,
  flags: le32,
  mle_ptab: le64,
  mle_size: le64,
  mle_hdr_base: le64,
  vtd_pmr_lo_base: le64,
  vtd_pmr_lo_size: le64,
  vtd_pmr_hi_base: le64,
  vtd_pmr_hi_size: le64,
})

/** What the authenticated module tells the kernel. Offsets in it count from the table's length. */
export const SINIT_MLE_DATA = struct('SinitMleData', TXT, {
  version: le32,
  bios_acm_id: bytes(20),
  edx_senter_flags: le32,
  mseg_valid: le64,
  sinit_hash: bytes(20),
  mle_hash: bytes(20),
  stm_hash: bytes(20),
  lcp_policy_hash: bytes(20),
  lcp_policy_control: le32,
  rlp_wakeup_addr: le32,
  reserved: le32,
  num_mdrs: le32,
  mdrs_off: le32,
  num_vtd_dmars: le32,
  vtd_dmars_off: le32,
})
export const SINIT_MLE_DATA_VERSION = 6
