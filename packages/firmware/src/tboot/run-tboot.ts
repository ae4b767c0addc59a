import {
  BOOT_PARAMS,
  BOOT_PARAMS_ADDRESS,
  E820_MAX_ENTRIES,
  E820_TYPE,
  HEADER_SIZE,
  parseDmar,
  parseRsdp,
  parseRsdt,
  parseXsdt,
  RSDP,
  TBOOT_SHARED_PAGE,
  TBOOT_UUID,
  TBOOT_VERSION,
  TXT_PRIVATE_BASE,
  TXT_PUBLIC_BASE,
  TXT_REGISTERS,
} from '@dmascope/acpi'
import { DmascopeError, highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { MemoryMap } from '../memory/e820.ts'
import { type ProtectedRegions, protectMemory, regionsToProtect } from './protect-memory.ts'
import { txtHeap } from './txt-heap.ts'

export interface TbootOptions {
  /** Where firmware left ACPI's root pointer; 0 where there is none. */
  readonly rsdp: number
}

/** What the launch did. */
export interface TbootResult {
  /** Why there is no measured launch, and the machine starts over instead; null where the kernel is started. */
  readonly reset: string | null
  readonly protected: ProtectedRegions | null
}

/** Where tboot is loaded, and what it keeps. */
const TBOOT = { base: 0x80_0000, size: 0x10_0000 } as const
const HEAP_ROOM = 0x10_0000
const LARGEST_TABLE = 0x10_0000

/**
 * A measured launch: what Intel TXT's authenticated module and tboot do between them before the kernel runs, as far as
 * the kernel and devices can tell. All RAM is closed to devices by VT-d's protected memory registers; the DMAR is copied
 * to where no device reaches; and the kernel is told where tboot is, from which it knows that it was launched so. Over
 * the bus alone, and never throws for what the machine does.
 *
 * DEVIATION: nothing is measured. Of a DMAR, a real module checks more than its form, and that its units protect memory.
 * DEVIATION: RAM beyond the last whole 2 MiB, which the registers cannot close, is kept from the kernel.
 */
export function runTboot(bus: CpuBus, { rsdp }: TbootOptions): TbootResult {
  const reset = (why: string): TbootResult => {
    // No kernel is started: there is nothing for one to start from.
    bus.writeBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(BOOT_PARAMS.size))
    return { reset: `tboot: ${why}`, protected: null }
  }
  const page = new DataView(new ArrayBuffer(BOOT_PARAMS.size))
  bus.readBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(page.buffer))
  const map = readMemoryMap(page)
  const found = findDmar(bus, rsdp)
  if (typeof found === 'string') return reset(found)
  const [problem] = found.dmar.problems
  if (problem !== undefined) return reset(`the DMAR is not sound: ${problem.message}`)
  const regions = regionsToProtect(map.ranges())
  const { low, high } = regions
  const heapBase = low.base + low.size - HEAP_ROOM
  if (heapBase < TBOOT.base + TBOOT.size) return reset(`no room for its heap below 0x${heapBase.toString(16)}`)

  for (const [offset, value] of [
    [TXT_REGISTERS.registers.HEAP_BASE.offset, heapBase],
    [TXT_REGISTERS.registers.HEAP_SIZE.offset, HEAP_ROOM],
  ] as const) {
    bus.write32(TXT_PRIVATE_BASE + offset, lowWord(value))
    bus.write32(TXT_PRIVATE_BASE + offset + 4, highWord(value))
  }
  if (bus.read32(TXT_PUBLIC_BASE + TXT_REGISTERS.registers.HEAP_BASE.offset) !== heapBase)
    return reset('the chipset has no TXT')
  const heap = txtHeap(found.bytes, regions)
  if (heap.length > HEAP_ROOM) return reset(`a DMAR of ${found.bytes.length} bytes does not fit in the heap`)
  bus.writeBytes(heapBase, heap)
  const unprotected = protectMemory(bus, found.dmar, regions)
  if (unprotected !== null) return reset(unprotected)

  map.add(TBOOT.base, TBOOT.size, E820_TYPE.reserved)
  map.add(heapBase, HEAP_ROOM, E820_TYPE.reserved)
  for (const { base, length, type } of map.ranges()) {
    if (type !== E820_TYPE.ram) continue
    const { base: from, size } = base < 0x1_0000_0000 ? low : high
    const open = Math.max(base, from + size)
    map.add(open, base + length - open, E820_TYPE.reserved)
  }
  if (map.ranges().length > E820_MAX_ENTRIES) return reset('the memory map has no room for what it keeps')
  writeSharedPage(bus)
  writeMemoryMap(page, map)
  BOOT_PARAMS.fields.tboot_addr.number.set(page, 0, TBOOT.base)
  bus.writeBytes(BOOT_PARAMS_ADDRESS, new Uint8Array(page.buffer))
  return { reset: null, protected: regions }
}

function readMemoryMap(page: DataView): MemoryMap {
  const map = new MemoryMap()
  const { e820_entries, e820_table } = BOOT_PARAMS.fields
  for (let index = 0; index < Math.min(e820_entries.get(page, 0), E820_MAX_ENTRIES); index++) {
    const { addr, size, type } = e820_table.at(index).fields
    map.add(addr.number.get(page, 0), size.number.get(page, 0), type.get(page, 0))
  }
  return map
}

function writeMemoryMap(page: DataView, map: MemoryMap): void {
  const { e820_entries, e820_table } = BOOT_PARAMS.fields
  const ranges = map.ranges()
  e820_entries.set(page, 0, ranges.length)
  for (const [index, range] of ranges.entries()) {
    const { addr, size, type } = e820_table.at(index).fields
    addr.number.set(page, 0, range.base)
    size.number.set(page, 0, range.length)
    type.set(page, 0, range.type)
  }
}

function writeSharedPage(bus: CpuBus): void {
  const bytes = new Uint8Array(TBOOT_SHARED_PAGE.size)
  const view = new DataView(bytes.buffer)
  const { fields } = TBOOT_SHARED_PAGE
  bytes.set(TBOOT_UUID, fields.uuid.offset)
  fields.version.set(view, 0, TBOOT_VERSION)
  fields.tboot_base.set(view, 0, TBOOT.base)
  fields.tboot_size.set(view, 0, TBOOT.size)
  bus.writeBytes(TBOOT.base, bytes)
}

/** The table with its bytes, or why there is none. */
function findDmar(bus: CpuBus, rsdp: number): { dmar: ReturnType<typeof parseDmar>; bytes: Uint8Array } | string {
  if (rsdp === 0) return 'no ACPI tables'
  const copy = (address: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    bus.readBytes(address, bytes)
    return bytes
  }
  const table = (address: number): Uint8Array =>
    copy(address, Math.min(Math.max(bus.read32(address + 4), HEADER_SIZE), LARGEST_TABLE))
  try {
    const { rsdtAddress, xsdtAddress = 0 } = parseRsdp(copy(rsdp, RSDP.size))
    const wide = Number(xsdtAddress)
    const entries = wide === 0 ? parseRsdt(table(rsdtAddress)).entries : parseXsdt(table(wide)).entries
    for (const entry of entries) {
      const bytes = table(Number(entry))
      if (String.fromCharCode(...bytes.subarray(0, 4)) === 'DMAR') return { dmar: parseDmar(bytes), bytes }
    }
  } catch (error) {
    if (error instanceof DmascopeError) return error.message
    throw error
  }
  return 'no DMAR: nothing keeps devices out of memory'
}
