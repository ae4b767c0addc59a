import type { Chipset } from '../chipset/chipset.ts'
import type { TableEditDescription } from '../description.ts'
import { facs, fadt, hpet, madt, mcfg, type PlatformFacts, waet } from './acpi-tables.ts'
import { dsdt } from './dsdt.ts'
import { type FirmwareFile, type FirmwareFiles, wholeFile } from './firmware-file.ts'
import { EXTRA_ROOTS_FILE, LinkedTables, littleEndian64 } from './linked-tables.ts'
import { type E820Facts, memoryFiles } from './memory-files.ts'
import { TableEdits } from './table-edits.ts'

/** FADT fields that hold addresses (ACPI 6.5 §5.2.9). */
const FADT_FIRMWARE_CTRL = 36
const FADT_DSDT = 40
const FADT_X_DSDT = 140

/** Makes the files anew, of buses as they are then. What has not changed since is the same file: write to none. */
export type MakeFiles = () => FirmwareFiles

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
): MakeFiles {
  // Bus numbers and windows are all that changes while firmware runs, and two tables tell of them.
  const fixed = fixedTables(chipset, facts, windows.lowRamEnd)
  let made: FirmwareFiles | null = null
  let namespace: Uint8Array | null = null
  let iommu: Uint8Array | null = null
  return () => {
    const namespaceNow = fixed.namespace ?? dsdt(chipset, facts, windows.lowRamEnd)
    const iommuNow = facts.iommuTable?.() ?? null
    if (made !== null && sameBytes(namespace, namespaceNow) && sameBytes(iommu, iommuNow)) return made
    namespace = namespaceNow
    iommu = iommuNow
    made = new Map([
      ...linked(fixed, namespaceNow, iommuNow, new TableEdits(windows.edits)),
      ...(facts.expanders.length > 0
        ? [[EXTRA_ROOTS_FILE, wholeFile(littleEndian64(facts.expanders.length))] as const]
        : []),
      ...(windows.memory === null ? [] : memoryFiles(windows.memory)),
    ])
    return made
  }
}

/** Tables that are the same whatever firmware does. */
interface FixedTables {
  /** The DSDT; null where expanders have windows, which are firmware's to change. */
  readonly namespace: Uint8Array | null
  readonly facs: Uint8Array
  readonly fadt: Uint8Array
  readonly beforeIommu: readonly Uint8Array[]
  readonly waet: Uint8Array
}

const fixedTables = (chipset: Chipset, facts: PlatformFacts, lowRamEnd: number): FixedTables => ({
  namespace: facts.expanders.length > 0 ? null : dsdt(chipset, facts, lowRamEnd),
  facs: facs(),
  fadt: fadt(facts),
  beforeIommu: [
    madt(facts),
    ...(facts.hpet ? [hpet()] : []),
    ...(facts.ecamBase === null ? [] : [mcfg(facts.ecamBase, facts.segments)]),
  ],
  waet: waet(),
})

function linked(
  fixed: FixedTables,
  namespace: Uint8Array,
  iommu: Uint8Array | null,
  edits: TableEdits,
): [string, FirmwareFile][] {
  const tables = new LinkedTables(edits)
  const facsAt = tables.place(fixed.facs)
  const dsdtAt = tables.place(namespace)
  tables.checksummed(dsdtAt)
  const fadtAt = tables.add(fixed.fadt)
  tables.pointer(fadtAt + FADT_FIRMWARE_CTRL, 4, facsAt)
  tables.pointer(fadtAt + FADT_DSDT, 4, dsdtAt)
  if (fixed.fadt.length > FADT_X_DSDT) tables.pointer(fadtAt + FADT_X_DSDT, 8, dsdtAt)
  tables.checksummed(fadtAt)
  for (const table of fixed.beforeIommu) tables.checksummed(tables.add(table))
  if (iommu !== null) tables.checksummed(tables.add(iommu))
  tables.checksummed(tables.add(fixed.waet))
  return tables.files('RSDT')
}

function sameBytes(one: Uint8Array | null, other: Uint8Array | null): boolean {
  if (one === other) return true
  if (one === null || other === null || one.length !== other.length) return false
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false
  return true
}
