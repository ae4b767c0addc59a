import { be32, be64, struct } from '@dmascope/layout'

/** The header of a flattened devicetree, version 17. */
export const fdt_header = struct('fdt_header', 'Devicetree Specification v0.4 §5.2', {
  magic: be32,
  totalsize: be32,
  off_dt_struct: be32,
  off_dt_strings: be32,
  off_mem_rsvmap: be32,
  version: be32,
  last_comp_version: be32,
  boot_cpuid_phys: be32,
  size_dt_strings: be32,
  size_dt_struct: be32,
})

/** What `magic` holds. */
export const FDT_MAGIC = 0xd00dfeed

/** The header before version 17 had no `size_dt_struct`. */
export const FDT_V16_HEADER_SIZE = 36

/** An entry of the memory reservation block, which one of zeros ends. */
export const fdt_reserve_entry = struct('fdt_reserve_entry', 'Devicetree Specification v0.4 §5.3', {
  address: be64,
  size: be64,
})

/** What stands behind FDT_PROP, before the value. */
export const fdt_property = struct('fdt_property', 'Devicetree Specification v0.4 §5.4.1', {
  len: be32,
  nameoff: be32,
})

/** The tokens of the structure block, each a big-endian word aligned to 4 bytes (§5.4.1). */
export const FDT_BEGIN_NODE = 0x1
export const FDT_END_NODE = 0x2
export const FDT_PROP = 0x3
export const FDT_NOP = 0x4
export const FDT_END = 0x9
