import { expect, test } from 'vitest'
import { BOOT_PARAMS, BOOT_PARAMS_ADDRESS, E820_ENTRY } from '../src/index.ts'

test('boot_params has the offsets of the Linux x86 boot protocol', () => {
  const { fields, size } = BOOT_PARAMS
  expect(size).toBe(0x1000)
  expect(fields.acpi_rsdp_addr.offset).toBe(0x070)
  expect(fields.e820_entries.offset).toBe(0x1e8)
  expect(fields.setup_sects.offset).toBe(0x1f1)
  expect(fields.boot_flag.offset).toBe(0x1fe)
  expect(fields.header.offset).toBe(0x202)
  expect(fields.version.offset).toBe(0x206)
  expect(fields.type_of_loader.offset).toBe(0x210)
  expect(fields.loadflags.offset).toBe(0x211)
  expect(fields.code32_start.offset).toBe(0x214)
  expect(fields.ramdisk_image.offset).toBe(0x218)
  expect(fields.cmd_line_ptr.offset).toBe(0x228)
  expect(fields.cmdline_size.offset).toBe(0x238)
  expect(fields.e820_table.offset).toBe(0x2d0)
  expect(fields.e820_table.at(1).fields.addr.offset).toBe(0x2d0 + 20)
  expect(fields.gap_cd0.offset).toBe(0xcd0)
  expect(E820_ENTRY.size).toBe(20)
  expect(BOOT_PARAMS_ADDRESS).toBe(0x90000)
})
