import {
  EFI_ACPI_20_TABLE_GUID,
  EFI_CONFIGURATION_TABLE,
  EFI_MEMORY_DESCRIPTOR,
  EFI_MEMORY_TYPE,
  EFI_SYSTEM_TABLE,
  EFI_SYSTEM_TABLE_SIGNATURE,
} from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { Zone } from '../memory/zone.ts'

const PAGE = 4096
const ALIGNMENT = 16
const REVISION = 0x0002_0046
/** EDK2 leaves this much from one descriptor to the next, so that nobody takes the structure's size for it. */
const DESCRIPTOR_STRIDE = 48
const WRITE_BACK = 8

/** [start, end), whole pages. */
export interface EfiRange {
  readonly start: number
  readonly end: number
  readonly type: keyof typeof EFI_MEMORY_TYPE
}

/** Where a kernel finds what UEFI left. */
export interface EfiHandover {
  readonly systemTable: number
  readonly map: number
  readonly mapBytes: number
  readonly stride: number
}

/** Writes the system table with the root pointer of ACPI in its configuration table. -1 where there is no room. */
export function writeSystemTable(bus: CpuBus, zone: Zone, rsdp: number): number {
  const entries = new DataView(new ArrayBuffer(EFI_CONFIGURATION_TABLE.size))
  EFI_CONFIGURATION_TABLE.fields.VendorGuid.set(entries, 0, Uint8Array.from(EFI_ACPI_20_TABLE_GUID))
  EFI_CONFIGURATION_TABLE.fields.VendorTable.number.set(entries, 0, rsdp)
  const configuration = zone.allocate(entries.byteLength, ALIGNMENT)
  const address = zone.allocate(EFI_SYSTEM_TABLE.size, ALIGNMENT)
  if (configuration < 0 || address < 0) return -1
  const table = new DataView(new ArrayBuffer(EFI_SYSTEM_TABLE.size))
  const { fields } = EFI_SYSTEM_TABLE
  fields.Signature.set(
    table,
    0,
    Uint8Array.from(EFI_SYSTEM_TABLE_SIGNATURE, (letter) => letter.charCodeAt(0)),
  )
  fields.Revision.set(table, 0, REVISION)
  fields.HeaderSize.set(table, 0, EFI_SYSTEM_TABLE.size)
  fields.NumberOfTableEntries.number.set(table, 0, rsdp === 0 ? 0 : 1)
  fields.ConfigurationTable.number.set(table, 0, configuration)
  bus.writeBytes(configuration, new Uint8Array(entries.buffer))
  bus.writeBytes(address, new Uint8Array(table.buffer))
  return address
}

/** Writes the memory map to a place that has room for it. */
export function writeMemoryMap(bus: CpuBus, at: number, ranges: readonly EfiRange[]): Omit<EfiHandover, 'systemTable'> {
  const view = new DataView(new ArrayBuffer(ranges.length * DESCRIPTOR_STRIDE))
  const { fields } = EFI_MEMORY_DESCRIPTOR
  for (const [index, { start, end, type }] of ranges.entries()) {
    const base = index * DESCRIPTOR_STRIDE
    fields.Type.set(view, base, EFI_MEMORY_TYPE[type])
    fields.PhysicalStart.number.set(view, base, start)
    fields.NumberOfPages.number.set(view, base, (end - start) / PAGE)
    fields.Attribute.number.set(view, base, WRITE_BACK)
  }
  bus.writeBytes(at, new Uint8Array(view.buffer))
  return { map: at, mapBytes: view.byteLength, stride: DESCRIPTOR_STRIDE }
}
