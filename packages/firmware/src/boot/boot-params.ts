import {
  BOOT_FLAG,
  BOOT_HEADER_MAGIC,
  BOOT_LOADFLAGS,
  BOOT_PARAMS,
  BOOT_PARAMS_ADDRESS,
  E820_MAX_ENTRIES,
} from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { E820Range } from '../memory/e820.ts'

/** Where QEMU's loader puts the command line of a kernel that is loaded high. */
const COMMAND_LINE_ADDRESS = 0x2_0000
/** Linux's COMMAND_LINE_SIZE on x86, without the NUL. */
const COMMAND_LINE_MAX = 2047
/** The zero page on its way. */
const ZERO_PAGE = new Uint8Array(BOOT_PARAMS.size)
const ZERO_PAGE_VIEW = new DataView(ZERO_PAGE.buffer)
const PROTOCOL_2_15 = 0x020f
/** QEMU's number among boot loaders. */
const LOADER_QEMU = 0xb0

/**
 * Writes the zero page and the command line that the kernel is started with.
 *
 * @param commandLine - one character a byte; what is longer than a kernel takes is cut off
 */
export function writeBootParams(bus: CpuBus, memoryMap: readonly E820Range[], commandLine: Uint8Array): void {
  const text = new Uint8Array(Math.min(commandLine.length, COMMAND_LINE_MAX) + 1)
  text.set(commandLine.subarray(0, COMMAND_LINE_MAX))
  bus.writeBytes(COMMAND_LINE_ADDRESS, text)

  const { fields } = BOOT_PARAMS
  const page = ZERO_PAGE
  const view = ZERO_PAGE_VIEW
  page.fill(0)
  const entries = memoryMap.slice(0, E820_MAX_ENTRIES)
  fields.e820_entries.set(view, 0, entries.length)
  for (const [index, entry] of entries.entries()) {
    const { addr, size: length, type } = fields.e820_table.at(index).fields
    addr.number.set(view, 0, entry.base)
    length.number.set(view, 0, entry.length)
    type.set(view, 0, entry.type)
  }
  fields.boot_flag.set(view, 0, BOOT_FLAG)
  fields.header.set(view, 0, BOOT_HEADER_MAGIC)
  fields.version.set(view, 0, PROTOCOL_2_15)
  fields.type_of_loader.set(view, 0, LOADER_QEMU)
  fields.loadflags.set(view, 0, BOOT_LOADFLAGS.fields.LOADED_HIGH.loMask)
  fields.cmd_line_ptr.set(view, 0, COMMAND_LINE_ADDRESS)
  fields.cmdline_size.set(view, 0, COMMAND_LINE_MAX)
  bus.writeBytes(BOOT_PARAMS_ADDRESS, page)
}
