import {
  EFI_ACPI_20_TABLE_GUID,
  EFI_CONFIGURATION_TABLE,
  EFI_MEMORY_DESCRIPTOR,
  EFI_MEMORY_TYPE,
  EFI_SYSTEM_TABLE,
  EFI_SYSTEM_TABLE_SIGNATURE,
} from '@dmascope/acpi'
import type { DeviceTree, DtNode } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { type AddressRange, mergeRanges } from './memory-map.ts'

/** What UEFI firmware left. */
export interface EfiTables {
  /** ACPI's root pointer; null where the configuration table names none. */
  readonly rsdp: number | null
  /** All RAM, and what of it may be used, as the memory map has them. */
  readonly memory: readonly AddressRange[]
  readonly usable: readonly AddressRange[]
}

const PAGE = 4096
const MOST_ENTRIES = 256
const MOST_DESCRIPTORS = 4096
const T = EFI_MEMORY_TYPE
/** What Linux's `is_usable_memory` takes: the rest is firmware's, or reclaimed later. */
const USABLE: readonly number[] = [T.loaderCode, T.loaderData, T.bootServicesCode, T.bootServicesData, T.conventional]
/** RAM that tables lie in. */
const MEMORY: readonly number[] = [...USABLE, T.acpiReclaim]

/**
 * Reads what the `/chosen` node of a stub's device tree points to. Null where it points to nothing: the kernel was not
 * started by UEFI. A text is why it cannot be believed.
 */
export function readEfi(bus: CpuBus, tree: DeviceTree): EfiTables | string | null {
  const chosen = tree.find('/chosen')
  const systemTable = chosen === undefined ? null : address(chosen, 'linux,uefi-system-table')
  if (chosen === undefined || systemTable === null) return null
  const header = new DataView(new ArrayBuffer(EFI_SYSTEM_TABLE.size))
  bus.readBytes(systemTable, new Uint8Array(header.buffer))
  const { fields } = EFI_SYSTEM_TABLE
  if (String.fromCharCode(...fields.Signature.get(header, 0)) !== EFI_SYSTEM_TABLE_SIGNATURE) {
    return `no EFI system table at 0x${systemTable.toString(16)}`
  }
  const count = Math.min(fields.NumberOfTableEntries.number.get(header, 0), MOST_ENTRIES)
  const rsdp = findRsdp(bus, fields.ConfigurationTable.number.get(header, 0), count)
  return { rsdp, ...readMap(bus, chosen) }
}

/** A property of two cells; null where it is absent or beyond what a Number holds. */
function address(node: DtNode, name: string): number | null {
  const [high, low] = node.cells(name)
  if (high === undefined || low === undefined) return null
  const value = high * 2 ** 32 + low
  return Number.isSafeInteger(value) ? value : null
}

function findRsdp(bus: CpuBus, table: number, count: number): number | null {
  const { size, fields } = EFI_CONFIGURATION_TABLE
  const bytes = new Uint8Array(count * size)
  bus.readBytes(table, bytes)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < bytes.length; at += size) {
    const guid = fields.VendorGuid.get(view, at)
    if (guid.every((byte, index) => byte === EFI_ACPI_20_TABLE_GUID[index])) {
      return fields.VendorTable.number.get(view, at)
    }
  }
  return null
}

function readMap(bus: CpuBus, chosen: DtNode): Pick<EfiTables, 'memory' | 'usable'> {
  const map = address(chosen, 'linux,uefi-mmap-start')
  const stride = chosen.cell('linux,uefi-mmap-desc-size') ?? 0
  const bytes = chosen.cell('linux,uefi-mmap-size') ?? 0
  const { size, fields } = EFI_MEMORY_DESCRIPTOR
  if (map === null || stride < size || stride > PAGE) return { memory: [], usable: [] }
  const count = Math.min(Math.floor(bytes / stride), MOST_DESCRIPTORS)
  const view = new DataView(new ArrayBuffer(size))
  const memory: AddressRange[] = []
  const usable: AddressRange[] = []
  for (let index = 0; index < count; index++) {
    bus.readBytes(map + index * stride, new Uint8Array(view.buffer))
    const start = fields.PhysicalStart.number.get(view, 0)
    const end = start + fields.NumberOfPages.number.get(view, 0) * PAGE
    const type = fields.Type.get(view, 0)
    if (!Number.isSafeInteger(end) || end <= start) continue
    if (MEMORY.includes(type)) memory.push({ start, end })
    if (USABLE.includes(type)) usable.push({ start, end })
  }
  return { memory: mergeRanges(memory), usable: mergeRanges(usable) }
}
