import { buildLoaderScript, buildRsdp, buildRsdt, buildXsdt, type LoaderCommand, RSDP } from '@dmascope/acpi'
import { type FirmwareFile, wholeFile } from './firmware-file.ts'
import { qemuHeader } from './qemu-header.ts'
import { TableEdits } from './table-edits.ts'

const TABLES_FILE = 'etc/acpi/tables'
const RSDP_FILE = 'etc/acpi/rsdp'
const LOADER_FILE = 'etc/table-loader'
export const EXTRA_ROOTS_FILE = 'etc/extra-pci-roots'

/** Files whose contents depend on where firmware put things. Their sizes do not. */
export const REBUILT_FILES: readonly string[] = [TABLES_FILE, RSDP_FILE, LOADER_FILE]

/** Alignment of the tables' file, and where its checksum stands in a table's header. */
const ALIGNMENT = 64
const CHECKSUM_OFFSET = 9
/** QEMU rounds the file up to this, microvm's apart, so that its size, and all addresses, stay the same between versions. */
const FILE_UNIT = 0x2_0000

/** Tables one behind the other, with the script by which firmware links them, as QEMU's `bios-linker-loader` makes it. */
export class LinkedTables {
  readonly #commands: LoaderCommand[] = [
    { command: 'allocate', file: RSDP_FILE, align: 16, zone: 'fseg' },
    { command: 'allocate', file: TABLES_FILE, align: ALIGNMENT, zone: 'high' },
  ]
  readonly #parts: Uint8Array[] = []
  readonly #patches: { offset: number; size: 4 | 8; target: number }[] = []
  readonly #listed: number[] = []
  /** Bytes of the tables whose checksum firmware is to compute, by offset. */
  readonly #mended = new Map<number, number>()
  /** Bytes that firmware adds to. */
  readonly #cleared: number[] = []
  readonly #edits: TableEdits
  #length = 0

  /** @param edits - what becomes of the tables before they are offered */
  constructor(edits = new TableEdits()) {
    this.#edits = edits
  }

  /** Places a table that the root table does not list. Answers its offset. */
  place(table: Uint8Array): number {
    return this.#place(this.#edits.apply(table))
  }

  #place({ bytes, mended }: { readonly bytes: Uint8Array; readonly mended: boolean }): number {
    const offset = this.#length
    this.#parts.push(bytes)
    this.#length += bytes.length
    if (mended) this.#mended.set(offset, bytes.length)
    return offset
  }

  /** Places a table that the root table lists. */
  add(table: Uint8Array): number {
    const offset = this.place(table)
    this.#listed.push(offset)
    return offset
  }

  /** Has firmware write the address of what stands at `target` to `offset`. */
  pointer(offset: number, size: 4 | 8, target: number): void {
    this.#commands.push({ command: 'add-pointer', file: TABLES_FILE, source: TABLES_FILE, offset, size })
    this.#patches.push({ offset, size, target })
  }

  /** Has firmware compute the checksum of the table that was placed there, after all pointers in it. */
  checksummed(offset: number): void {
    const length = this.#mended.get(offset)
    if (length === undefined) return
    const at = offset + CHECKSUM_OFFSET
    this.#commands.push({ command: 'add-checksum', file: TABLES_FILE, offset: at, start: offset, length })
    this.#cleared.push(at)
  }

  /**
   * The files for fw_cfg, with a root table of 32-bit addresses, as on a PC, or of 64-bit ones.
   *
   * @param unit - what the tables' size is rounded up to
   * @throws DmascopeError MACHINE_TABLE where an edit is to a table that is not there
   */
  files(root: 'RSDT' | 'XSDT', unit: number = FILE_UNIT): [string, FirmwareFile][] {
    for (const table of this.#edits.added()) {
      const offset = this.#place(table)
      this.#listed.push(offset)
      this.checksummed(offset)
    }
    const wide = root === 'XSDT'
    const width = wide ? 8 : 4
    const table = wide
      ? buildXsdt({ signature: 'XSDT', header: qemuHeader(1), entries: this.#listed })
      : buildRsdt({ signature: 'RSDT', header: qemuHeader(1), entries: this.#listed })
    const rootAt = this.#place({ bytes: table, mended: true })
    const firstEntry = rootAt + table.length - width * this.#listed.length
    for (const [index, target] of this.#listed.entries()) this.pointer(firstEntry + width * index, width, target)
    this.checksummed(rootAt)

    const tables = new Uint8Array(this.#length)
    let offset = 0
    for (const part of this.#parts) {
      tables.set(part, offset)
      offset += part.length
    }
    for (const at of this.#cleared) tables[at] = 0
    const view = new DataView(tables.buffer)
    for (const patch of this.#patches) view.setUint32(patch.offset, patch.target, true)
    return [
      [TABLES_FILE, { bytes: tables, size: Math.ceil(tables.length / unit) * unit }],
      [RSDP_FILE, wholeFile(wide ? this.#widePointer(rootAt) : this.#pointer(rootAt))],
      [LOADER_FILE, wholeFile(buildLoaderScript(this.#commands))],
    ]
  }

  #pointer(rootAt: number): Uint8Array {
    const rsdp = buildRsdp({ signature: 'RSD PTR ', oemId: 'BOCHS ', revision: 0, rsdtAddress: rootAt })
    rsdp[RSDP.fields.checksum.offset] = 0
    this.#link(RSDP.fields.rsdtAddress.offset, 4)
    this.#sum(RSDP.fields.checksum.offset, rsdp.length)
    return rsdp
  }

  #widePointer(rootAt: number): Uint8Array {
    const rsdp = buildRsdp({
      signature: 'RSD PTR ',
      oemId: 'BOCHS ',
      revision: 2,
      rsdtAddress: 0,
      xsdtAddress: rootAt,
    })
    rsdp[RSDP.fields.checksum.offset] = 0
    rsdp[RSDP.fields.extendedChecksum.offset] = 0
    this.#link(RSDP.fields.xsdtAddress.offset, 8)
    this.#sum(RSDP.fields.checksum.offset, RSDP.fields.length.offset)
    this.#sum(RSDP.fields.extendedChecksum.offset, rsdp.length)
    return rsdp
  }

  #link(offset: number, size: 4 | 8): void {
    this.#commands.push({ command: 'add-pointer', file: RSDP_FILE, source: TABLES_FILE, offset, size })
  }

  #sum(offset: number, length: number): void {
    this.#commands.push({ command: 'add-checksum', file: RSDP_FILE, offset, start: 0, length })
  }
}

export const littleEndian64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, value % 0x1_0000_0000, true)
  view.setUint32(4, Math.floor(value / 0x1_0000_0000), true)
  return bytes
}
