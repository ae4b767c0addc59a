import { array, bits, bytes, field, le16, le32, le64, struct, u8 } from '@dmascope/layout'

/**
 * What a boot loader hands to an x86 kernel in memory: the parts of the zero page that a kernel needs to find memory,
 * its command line and, through them, everything else. Offsets are those of the Linux x86 boot protocol, so that the
 * block can be read with any tool that knows it.
 */
const SOURCE = 'Linux x86 boot protocol, zero page'

/** One range of the firmware's memory map: packed, 20 bytes. */
export const E820_ENTRY = struct('boot_e820_entry', SOURCE, {
  addr: le64,
  size: le64,
  type: le32,
})

/** Values of `boot_e820_entry.type`; ACPI's address range types. */
export const E820_TYPE = { ram: 1, reserved: 2, acpi: 3, nvs: 4, unusable: 5 } as const

/** Entries that fit in the zero page; a map with more continues elsewhere, which we never need. */
export const E820_MAX_ENTRIES = 128

export const BOOT_LOADFLAGS = bits(8, 'loadflags', SOURCE, {
  CAN_USE_HEAP: field(7, 'rw'),
  KEEP_SEGMENTS: field(6, 'rw'),
  QUIET_FLAG: field(5, 'rw'),
  KASLR_FLAG: field(1, 'ro'),
  LOADED_HIGH: field(0, 'ro'),
})

/** The zero page, 4096 bytes. Gaps hold what a kernel on these machines does not need: video, drives, EFI, EDD. */
export const BOOT_PARAMS = struct('boot_params', SOURCE, {
  screen_info: bytes(0x40),
  gap_040: bytes(0x18),
  /** Physical address of tboot's shared page; 0 where the kernel was not launched by it. */
  tboot_addr: le64,
  gap_060: bytes(0x10),
  /** Physical address of the RSDP where the loader knows it, else 0: the kernel then scans for it. */
  acpi_rsdp_addr: le64,
  gap_078: bytes(0x170),
  /** Entries of `e820_table` in use. */
  e820_entries: u8,
  gap_1e9: bytes(8),
  setup_sects: u8,
  root_flags: le16,
  syssize: le32,
  ram_size: le16,
  vid_mode: le16,
  root_dev: le16,
  /** 0xaa55. */
  boot_flag: le16,
  jump: le16,
  /** "HdrS", 0x53726448. */
  header: le32,
  /** Protocol version, 0x020f for 2.15. */
  version: le16,
  realmode_swtch: le32,
  start_sys_seg: le16,
  kernel_version: le16,
  /** Who loaded the kernel: 0xff, none with a number assigned. */
  type_of_loader: u8,
  loadflags: u8,
  setup_move_size: le16,
  code32_start: le32,
  ramdisk_image: le32,
  ramdisk_size: le32,
  bootsect_kludge: le32,
  heap_end_ptr: le16,
  ext_loader_ver: u8,
  ext_loader_type: u8,
  /** Physical address of the command line, NUL-terminated, below 4 GiB; 0 where there is none. */
  cmd_line_ptr: le32,
  initrd_addr_max: le32,
  kernel_alignment: le32,
  relocatable_kernel: u8,
  min_alignment: u8,
  xloadflags: le16,
  /** Longest command line that the kernel takes, without the NUL. */
  cmdline_size: le32,
  gap_23c: bytes(0x2d0 - 0x23c),
  e820_table: array(E820_ENTRY, E820_MAX_ENTRIES),
  gap_cd0: bytes(0x1000 - 0xcd0),
})

/** Where firmware puts the zero page: real-mode memory, as boot loaders do. */
export const BOOT_PARAMS_ADDRESS = 0x9_0000

/** Values that mark a zero page as one. */
export const BOOT_FLAG = 0xaa55
export const BOOT_HEADER_MAGIC = 0x5372_6448
