import { BOOT_FLAG, BOOT_HEADER_MAGIC, BOOT_PARAMS, BOOT_PARAMS_ADDRESS, E820_MAX_ENTRIES } from '@dmascope/acpi'
import { numberFromPair } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'

/** One range of the firmware's memory map: guest-physical bytes [base, base + length), and the e820 type. */
export interface MemoryMapEntry {
  readonly base: number
  readonly length: number
  readonly type: number
}

/** What the boot loader left in memory for the kernel. */
export interface BootParams {
  readonly memoryMap: readonly MemoryMapEntry[]
  readonly commandLine: string
  /** Physical address of the RSDP where the loader told it; 0 where the kernel has to scan. */
  readonly rsdp: number
  /** Physical address of tboot's shared page; 0 where none is named. */
  readonly tbootAddress: number
}

/** Linux's COMMAND_LINE_SIZE on x86. */
const COMMAND_LINE_SIZE = 2048
/** What is read, on its way. */
const COMMAND_LINE = new Uint8Array(COMMAND_LINE_SIZE)
const ZERO_PAGE_BYTES = new Uint8Array(BOOT_PARAMS.size)
const ZERO_PAGE = new DataView(ZERO_PAGE_BYTES.buffer)

const LIMIT = 2 ** 53

/** A 64-bit field as a Number, or -1 where it is 2^53 or above, which no machine of ours can mean. */
function quad(hi: number, lo: number): number {
  return hi >= 0x20_0000 ? -1 : numberFromPair(hi, lo)
}

function readCommandLine(bus: CpuBus, address: number): string {
  if (address === 0) return ''
  const raw = COMMAND_LINE
  bus.readBytes(address, raw)
  const end = raw.indexOf(0)
  let text = ''
  for (const byte of end < 0 ? raw.subarray(0, COMMAND_LINE_SIZE - 1) : raw.subarray(0, end)) {
    // What is not printable ASCII can be no option that we know: memory of nonsense must not make unreadable reports.
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'
  }
  return text.trim()
}

/**
 * Reads the zero page that the boot loader filled in.
 *
 * @returns null where there is none: neither its boot flag nor its header magic stands where the boot protocol puts it
 */
export function readBootParams(bus: CpuBus): BootParams | null {
  const page = ZERO_PAGE
  bus.readBytes(BOOT_PARAMS_ADDRESS, ZERO_PAGE_BYTES)
  const { fields } = BOOT_PARAMS
  if (fields.boot_flag.get(page, 0) !== BOOT_FLAG || fields.header.get(page, 0) !== BOOT_HEADER_MAGIC) return null
  const count = Math.min(fields.e820_entries.get(page, 0), E820_MAX_ENTRIES)
  const memoryMap: MemoryMapEntry[] = []
  for (let index = 0; index < count; index++) {
    const { addr, size, type } = fields.e820_table.at(index).fields
    const base = quad(addr.hi.get(page, 0), addr.lo.get(page, 0))
    const length = quad(size.hi.get(page, 0), size.lo.get(page, 0))
    if (base >= 0 && length > 0 && base + length <= LIMIT) {
      memoryMap.push({ base, length, type: type.get(page, 0) })
    }
  }
  const rsdp = quad(fields.acpi_rsdp_addr.hi.get(page, 0), fields.acpi_rsdp_addr.lo.get(page, 0))
  const tboot = quad(fields.tboot_addr.hi.get(page, 0), fields.tboot_addr.lo.get(page, 0))
  return {
    memoryMap,
    commandLine: readCommandLine(bus, fields.cmd_line_ptr.get(page, 0)),
    rsdp: Math.max(rsdp, 0),
    tbootAddress: Math.max(tboot, 0),
  }
}
