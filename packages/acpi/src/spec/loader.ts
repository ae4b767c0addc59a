import { bytes, le32, struct, u8 } from '@dmascope/layout'

const SOURCE = 'QEMU fw_cfg file etc/table-loader'

/** Bytes of a file's name, NUL-padded. */
export const LOADER_FILE_SIZE = 56

/** Every entry is 128 bytes: a command, its operands, then zeros. */
export const LOADER_ENTRY_SIZE = 128

/** Load a file into memory at an alignment, from a zone. */
export const LOADER_ALLOCATE = struct('ALLOCATE', SOURCE, {
  command: le32,
  file: bytes(LOADER_FILE_SIZE),
  align: le32,
  zone: u8,
})

/** Add the address of one loaded file to the little-endian integer at an offset of another. */
export const LOADER_ADD_POINTER = struct('ADD_POINTER', SOURCE, {
  command: le32,
  dest_file: bytes(LOADER_FILE_SIZE),
  src_file: bytes(LOADER_FILE_SIZE),
  offset: le32,
  size: u8,
})

/** Subtract the sum of a range of a loaded file from the byte at an offset, so that the range sums to zero. */
export const LOADER_ADD_CHECKSUM = struct('ADD_CHECKSUM', SOURCE, {
  command: le32,
  file: bytes(LOADER_FILE_SIZE),
  offset: le32,
  start: le32,
  length: le32,
})

/** Write the address of a loaded file back into a writable file of the machine. */
export const LOADER_WRITE_POINTER = struct('WRITE_POINTER', SOURCE, {
  command: le32,
  dest_file: bytes(LOADER_FILE_SIZE),
  src_file: bytes(LOADER_FILE_SIZE),
  dst_offset: le32,
  src_offset: le32,
  size: u8,
})

export const LOADER_COMMAND = { ALLOCATE: 1, ADD_POINTER: 2, ADD_CHECKSUM: 3, WRITE_POINTER: 4 } as const

/** Where ALLOCATE takes memory: anywhere high, or in the F segment, where RSDPs are looked for. */
export const LOADER_ZONE = { HIGH: 1, FSEG: 2 } as const
