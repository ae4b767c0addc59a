import type { Chipset } from '../chipset/chipset.ts'
import type { TableEditDescription } from '../description.ts'
import { facs, fadt, hpet, madt, mcfg, type PlatformFacts, waet } from './acpi-tables.ts'
import { dsdt } from './dsdt.ts'
import { EXTRA_ROOTS_FILE, LinkedTables, littleEndian64 } from './linked-tables.ts'
import { type E820Facts, memoryFiles } from './memory-files.ts'
import { TableEdits } from './table-edits.ts'

/** FADT fields that hold addresses (ACPI 6.5 §5.2.9). */
const FADT_FIRMWARE_CTRL = 36
const FADT_DSDT = 40
const FADT_X_DSDT = 140

/**
 * Files for fw_cfg, as QEMU offers them: the tables, the RSDP, and the script that links them; and how many root buses
 * there are besides bus 0, if any.
 */
export function firmwareFiles(
  chipset: Chipset,
  facts: PlatformFacts,
  windows: {
    readonly lowRamEnd: number
    readonly memory: E820Facts | null
    readonly edits?: readonly TableEditDescription[] | undefined
  },
): ReadonlyMap<string, Uint8Array> {
  const tables = new LinkedTables(new TableEdits(windows.edits))
  const facsAt = tables.place(facs())
  const dsdtAt = tables.place(dsdt(chipset, facts, windows.lowRamEnd))
  tables.checksummed(dsdtAt)
  const fadtTable = fadt(facts)
  const fadtAt = tables.add(fadtTable)
  tables.pointer(fadtAt + FADT_FIRMWARE_CTRL, 4, facsAt)
  tables.pointer(fadtAt + FADT_DSDT, 4, dsdtAt)
  if (fadtTable.length > FADT_X_DSDT) tables.pointer(fadtAt + FADT_X_DSDT, 8, dsdtAt)
  tables.checksummed(fadtAt)
  const rest = [
    madt(facts),
    ...(facts.hpet ? [hpet()] : []),
    ...(facts.ecamBase === null ? [] : [mcfg(facts.ecamBase, facts.segments)]),
    ...(facts.iommuTable === null ? [] : [facts.iommuTable()]),
    waet(),
  ]
  for (const table of rest) tables.checksummed(tables.add(table))
  return new Map([
    ...tables.files('RSDT'),
    ...(facts.expanders.length > 0 ? [[EXTRA_ROOTS_FILE, littleEndian64(facts.expanders.length)] as const] : []),
    ...(windows.memory === null ? [] : memoryFiles(windows.memory)),
  ])
}
