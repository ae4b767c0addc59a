import { HEADER_SIZE } from '@dmascope/acpi'
import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription, TableEditDescription } from '../description.ts'

/** Tables whose bytes firmware writes to, or that have no header as others do: theirs is the loader's script. */
const LINKED = ['FACP', 'FACS', 'RSDT', 'XSDT', 'RSD PTR ']
/** Bytes of a table: what a person tries is some hundred KiB at most. */
const LARGEST = 0x10_0000

/** A table as it is offered. */
export interface EditedTable {
  readonly bytes: Uint8Array
  /** Firmware is to compute its checksum; else it stands as it is. */
  readonly mended: boolean
}

/** What a machine's description changes in its tables: one pass over a set of them, in their order. */
export class TableEdits {
  readonly #edits: readonly TableEditDescription[]
  readonly #counts = new Map<string, number>()
  readonly #done = new Set<TableEditDescription>()

  /** @throws DmascopeError MACHINE_TABLE for a table that cannot be edited */
  constructor(edits: readonly TableEditDescription[] = []) {
    this.#edits = edits
    for (const edit of edits) {
      if (LINKED.includes(edit.table)) {
        throw refuse(edit, `firmware writes addresses into ${edit.table}, which is not to be edited; leave it out`)
      }
      const size = edit.replacement?.length ?? HEADER_SIZE
      if (size < HEADER_SIZE) throw refuse(edit, `${size} bytes are no table, whose header alone has ${HEADER_SIZE}`)
      if (size > LARGEST) throw refuse(edit, `${size} bytes; a table has ${LARGEST} at most`)
    }
  }

  /**
   * The next table of the machine, as its description wants it.
   *
   * @throws DmascopeError MACHINE_TABLE where bytes do not fit into it
   */
  apply(table: Uint8Array): EditedTable {
    const signature = signatureOf(table)
    const index = this.#counts.get(signature) ?? 0
    this.#counts.set(signature, index + 1)
    const edits = this.#edits.filter((edit) => edit.table === signature && edit.index === index)
    return edits.length === 0 ? { bytes: table, mended: true } : this.#edit(table, edits)
  }

  /** Tables that the machine has none of, and that its description brings. @throws DmascopeError MACHINE_TABLE */
  added(): EditedTable[] {
    const added: EditedTable[] = []
    for (const edit of this.#edits) {
      if (this.#done.has(edit)) continue
      const { table, index, replacement } = edit
      const count = this.#counts.get(table) ?? 0
      if (replacement === undefined || index !== count) throw this.#missing(edit, count)
      this.#counts.set(table, count + 1)
      added.push(
        this.#edit(
          replacement,
          this.#edits.filter((one) => one.table === table && one.index === index),
        ),
      )
    }
    return added
  }

  #edit(table: Uint8Array, edits: readonly TableEditDescription[]): EditedTable {
    let bytes = table.slice()
    let mended = true
    for (const edit of edits) {
      this.#done.add(edit)
      mended = edit.checksum === 'mend'
      if (edit.replacement !== undefined) bytes = edit.replacement.slice()
      for (const { offset, bytes: patch } of edit.patches) {
        if (offset + patch.length > bytes.length) {
          throw refuse(
            edit,
            `${edit.table} has ${bytes.length} bytes (0x${bytes.length.toString(16)}); ${patch.length} at 0x${offset.toString(16)} do not fit`,
          )
        }
        bytes.set(patch, offset)
      }
    }
    return { bytes, mended }
  }

  #missing(edit: TableEditDescription, count: number): DmascopeError {
    const known = [...this.#counts].map(([name, many]) => (many === 1 ? name : `${name} (${many})`))
    const which = count === 0 ? `no ${edit.table}` : `no ${edit.table} of index ${edit.index}, only ${count}`
    return refuse(edit, `the machine has ${which}; it has ${known.join(', ')}; a file would add one`)
  }
}

const signatureOf = (table: Uint8Array): string => String.fromCharCode(table[0]!, table[1]!, table[2]!, table[3]!)

const refuse = ({ location, table }: TableEditDescription, text: string): DmascopeError =>
  new DmascopeError('MACHINE_TABLE', `${location.text}: ${text}`, { table })

/** @throws DmascopeError MACHINE_TABLE where edits are asked for of a machine that has no ACPI tables */
export function refuseTableEdits({ tables: [first] = [], machine }: MachineDescription): void {
  if (first === undefined) return
  throw refuse(first, `this ${machine} has no ACPI tables to edit; leave tables out`)
}
