import { expect, test } from 'vitest'
import {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_MAGIC,
  FDT_NOP,
  FDT_PROP,
  fdt_header,
  fdt_property,
  fdt_reserve_entry,
} from '../src/index.ts'

const offsets = (fields: Readonly<Record<string, { readonly offset: number }>>) =>
  Object.fromEntries(Object.entries(fields).map(([name, { offset }]) => [name, offset]))

test('§5.2 fdt_header', () => {
  expect(fdt_header.size).toBe(40)
  expect(offsets(fdt_header.fields)).toEqual({
    magic: 0x00,
    totalsize: 0x04,
    off_dt_struct: 0x08,
    off_dt_strings: 0x0c,
    off_mem_rsvmap: 0x10,
    version: 0x14,
    last_comp_version: 0x18,
    boot_cpuid_phys: 0x1c,
    size_dt_strings: 0x20,
    size_dt_struct: 0x24,
  })
})

test('§5.3 fdt_reserve_entry, and §5.4 the tokens', () => {
  expect([fdt_reserve_entry.size, offsets(fdt_reserve_entry.fields)]).toEqual([16, { address: 0, size: 8 }])
  expect([fdt_property.size, offsets(fdt_property.fields)]).toEqual([8, { len: 0, nameoff: 4 }])
  expect([FDT_MAGIC, FDT_BEGIN_NODE, FDT_END_NODE, FDT_PROP, FDT_NOP, FDT_END]).toEqual([0xd00dfeed, 1, 2, 3, 4, 9])
})
