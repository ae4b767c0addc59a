import { E820_ENTRY, E820_TYPE } from '@dmascope/acpi'
import type { TableEditDescription } from '../description.ts'
import { type FirmwareFile, type FirmwareFiles, wholeFile } from '../firmware/firmware-file.ts'
import { LinkedTables } from '../firmware/linked-tables.ts'
import { TableEdits } from '../firmware/table-edits.ts'
import { microvmFadt, microvmMadt } from './acpi-tables.ts'
import { microvmDsdt } from './dsdt.ts'
import { ramRanges } from './memory-map.ts'
import type { MicrovmFacts } from './microvm-facts.ts'

/** FADT fields that hold the DSDT's address (ACPI 6.5 §5.2.9). */
const FADT_DSDT = 40
const FADT_X_DSDT = 140

/** RAM, as firmware is to put it on the memory map. */
function memoryMap(memory: number): Uint8Array {
  const ranges = ramRanges(memory)
  const { addr, size, type } = E820_ENTRY.fields
  const view = new DataView(new ArrayBuffer(ranges.length * E820_ENTRY.size))
  for (const [index, range] of ranges.entries()) {
    const at = index * E820_ENTRY.size
    addr.number.set(view, at, range.base)
    size.number.set(view, at, range.size)
    type.set(view, at, E820_TYPE.ram)
  }
  return new Uint8Array(view.buffer)
}

/** Files for fw_cfg, as QEMU offers them: the memory map; and with ACPI the tables and the script that links them. */
export function microvmFirmwareFiles(
  facts: MicrovmFacts,
  memory: number,
  occupied: readonly number[],
  edits: readonly TableEditDescription[] = [],
): FirmwareFiles {
  const files: [string, FirmwareFile][] = [['etc/e820', wholeFile(memoryMap(memory))]]
  if (!facts.acpi) return new Map(files)
  const tables = new LinkedTables(new TableEdits(edits))
  const dsdtAt = tables.place(microvmDsdt(facts, occupied))
  tables.checksummed(dsdtAt)
  const fadtAt = tables.add(microvmFadt())
  tables.pointer(fadtAt + FADT_DSDT, 4, dsdtAt)
  tables.pointer(fadtAt + FADT_X_DSDT, 8, dsdtAt)
  tables.checksummed(fadtAt)
  tables.checksummed(tables.add(microvmMadt(facts)))
  return new Map([...tables.files('XSDT', 1), ...files])
}
