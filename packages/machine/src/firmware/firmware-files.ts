import { buildLoaderScript, buildRsdp, buildRsdt, type LoaderCommand, RSDP } from '@dmascope/acpi'
import type { Chipset } from '../chipset/chipset.ts'
import { facs, fadt, hpet, madt, mcfg, type PlatformFacts, waet } from './acpi-tables.ts'
import { dsdt } from './dsdt.ts'
import { qemuHeader } from './qemu-header.ts'

const TABLES_FILE = 'etc/acpi/tables'
const RSDP_FILE = 'etc/acpi/rsdp'
const LOADER_FILE = 'etc/table-loader'
const EXTRA_ROOTS_FILE = 'etc/extra-pci-roots'

/** Files whose contents depend on where firmware put things. Their sizes do not. */
export const REBUILT_FILES: readonly string[] = [TABLES_FILE, RSDP_FILE, LOADER_FILE]

/** Alignment of the tables' file, and where its checksum stands in a table's header. */
const ALIGNMENT = 64
const CHECKSUM_OFFSET = 9
/** QEMU rounds the file up to this, so that its size, and with it all addresses, stay the same between versions. */
const FILE_UNIT = 0x2_0000
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
  windows: { readonly lowRamEnd: number },
): ReadonlyMap<string, Uint8Array> {
  const commands: LoaderCommand[] = [
    { command: 'allocate', file: RSDP_FILE, align: 16, zone: 'fseg' },
    { command: 'allocate', file: TABLES_FILE, align: ALIGNMENT, zone: 'high' },
  ]
  const parts: Uint8Array[] = []
  let length = 0
  const place = (table: Uint8Array): number => {
    const offset = length
    parts.push(table)
    length += table.length
    return offset
  }
  const pointer = (offset: number, size: 4 | 8, target: number): void => {
    commands.push({ command: 'add-pointer', file: TABLES_FILE, source: TABLES_FILE, offset, size })
    patches.push({ offset, size, target })
  }
  const patches: { offset: number; size: 4 | 8; target: number }[] = []
  const checksummed = (offset: number, table: Uint8Array): void => {
    commands.push({
      command: 'add-checksum',
      file: TABLES_FILE,
      offset: offset + CHECKSUM_OFFSET,
      start: offset,
      length: table.length,
    })
    table[CHECKSUM_OFFSET] = 0
  }
  const listed: number[] = []
  const add = (table: Uint8Array): number => {
    const offset = place(table)
    listed.push(offset)
    return offset
  }

  const facsAt = place(facs())
  const dsdtTable = dsdt(chipset, { ...windows, ecamBase: facts.ecamBase, expanders: facts.expanders })
  const dsdtAt = place(dsdtTable)
  checksummed(dsdtAt, dsdtTable)
  const fadtTable = fadt(facts)
  const fadtAt = add(fadtTable)
  pointer(fadtAt + FADT_FIRMWARE_CTRL, 4, facsAt)
  pointer(fadtAt + FADT_DSDT, 4, dsdtAt)
  if (fadtTable.length > FADT_X_DSDT) pointer(fadtAt + FADT_X_DSDT, 8, dsdtAt)
  checksummed(fadtAt, fadtTable)
  const rest = [
    madt(facts),
    ...(facts.hpet ? [hpet()] : []),
    ...(facts.ecamBase === null ? [] : [mcfg(facts.ecamBase)]),
    ...(facts.iommuTable === null ? [] : [facts.iommuTable()]),
    waet(),
  ]
  for (const table of rest) checksummed(add(table), table)

  const rsdt = buildRsdt({ signature: 'RSDT', header: qemuHeader(1), entries: listed })
  const rsdtAt = place(rsdt)
  const firstEntry = rsdtAt + rsdt.length - 4 * listed.length
  for (const [index, target] of listed.entries()) pointer(firstEntry + 4 * index, 4, target)
  checksummed(rsdtAt, rsdt)

  const tables = new Uint8Array(Math.ceil(length / FILE_UNIT) * FILE_UNIT)
  let offset = 0
  for (const part of parts) {
    tables.set(part, offset)
    offset += part.length
  }
  const view = new DataView(tables.buffer)
  for (const patch of patches) view.setUint32(patch.offset, patch.target, true)

  const rsdp = buildRsdp({ signature: 'RSD PTR ', oemId: 'BOCHS ', revision: 0, rsdtAddress: rsdtAt })
  rsdp[8] = 0
  commands.push(
    { command: 'add-pointer', file: RSDP_FILE, source: TABLES_FILE, offset: RSDP.fields.rsdtAddress.offset, size: 4 },
    { command: 'add-checksum', file: RSDP_FILE, offset: 8, start: 0, length: rsdp.length },
  )
  return new Map([
    [TABLES_FILE, tables],
    [RSDP_FILE, rsdp],
    [LOADER_FILE, buildLoaderScript(commands)],
    ...(facts.expanders.length > 0 ? [[EXTRA_ROOTS_FILE, littleEndian64(facts.expanders.length)] as const] : []),
  ])
}

function littleEndian64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
