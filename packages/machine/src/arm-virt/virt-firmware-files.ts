import type { TableEditDescription } from '../description.ts'
import { type FirmwareFile, type FirmwareFiles, wholeFile } from '../firmware/firmware-file.ts'
import { EXTRA_ROOTS_FILE, LinkedTables, littleEndian64 } from '../firmware/linked-tables.ts'
import { TableEdits } from '../firmware/table-edits.ts'
import type { RootBusFacts } from '../iommu/iommu-plan.ts'
import { virtDsdt, virtFadt, virtMadt, virtMcfg } from './acpi-tables.ts'
import { iortTable } from './iort-table.ts'
import { virtGtdt, virtPptt } from './processor-tables.ts'
import { virtDbg2, virtSpcr } from './serial-tables.ts'
import { isTypeBefore } from './type-version.ts'
import type { SmmuPlace, VirtFacts } from './virt-facts.ts'

/** FADT fields that hold the DSDT's address (ACPI 6.5 §5.2.9). */
const FADT_X_DSDT = 140

const smmusOf = ({ iommu }: VirtFacts): readonly SmmuPlace[] =>
  iommu.kind === 'smmuv3' ? [iommu.place] : iommu.kind === 'smmuv3-devices' ? iommu.places : []

/**
 * Files for fw_cfg, as QEMU offers them where firmware runs: ACPI tables with the script that links them, and how many
 * root buses there are besides bus 0, if any.
 *
 * @param viot - the table of a virtio-iommu, as it is when called
 */
export function virtFirmwareFiles(
  facts: VirtFacts,
  roots: readonly RootBusFacts[],
  viot: (() => Uint8Array) | null,
  edits: readonly TableEditDescription[] = [],
): FirmwareFiles {
  // QEMU puts each new root bus at the head of its list.
  const expanders = roots
    .slice(1)
    .map(({ bus }) => bus)
    .reverse()
  const extra: [string, FirmwareFile][] =
    expanders.length > 0 ? [[EXTRA_ROOTS_FILE, wholeFile(littleEndian64(expanders.length))]] : []
  if (!facts.acpi) return new Map(extra)
  const tables = new LinkedTables(new TableEdits(edits))
  const dsdtAt = tables.place(virtDsdt(facts, expanders))
  tables.checksummed(dsdtAt)
  const fadtAt = tables.add(virtFadt(facts))
  tables.pointer(fadtAt + FADT_X_DSDT, 8, dsdtAt)
  tables.checksummed(fadtAt)
  const smmus = smmusOf(facts)
  const its = facts.announcesIts
  const rest = [
    virtMadt(facts),
    // Types up to 6.1 do not tell how processors hang together.
    ...(isTypeBefore(facts.type, [6, 2]) ? [] : [virtPptt(facts)]),
    virtGtdt(facts),
    virtMcfg(facts),
    ...(facts.spcr ? [virtSpcr(facts)] : []),
    virtDbg2(facts),
    iortTable({ qemuVersion: facts.qemuVersion, smmus, its }, roots),
    ...(viot === null ? [] : [viot()]),
  ]
  for (const table of rest) tables.checksummed(tables.add(table))
  return new Map([...tables.files('XSDT'), ...extra])
}
