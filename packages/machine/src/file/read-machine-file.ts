import type { MachineDescription, QemuVersion } from '../description.ts'
import { describeMachine } from './describe-machine.ts'
import type { ReadTable } from './describe-tables.ts'
import { MACHINE_FILE } from './schema.ts'
import { shapeError } from './shape-errors.ts'
import { SourceFile } from './source.ts'

export interface MachineFileOptions {
  /** The file's name, for messages and locations. */
  readonly file?: string
  /** The QEMU release, where the file names none. */
  readonly qemuVersion?: QemuVersion
  /** Reads a table from a file that the machine file names; without it, it may name none. */
  readonly readTable?: ReadTable
}

/** A machine file, read. */
export interface MachineFile {
  readonly description: MachineDescription
  /** The guest profile that the file asks for, or null. */
  readonly guest: string | null
  /** Where it asks for it: `machine.yaml:3:8`. */
  readonly guestPlace: string
}

/**
 * Reads a machine file: YAML 1.2, of which JSON is a part.
 *
 * @throws DmascopeError MACHINE_FILE_SYNTAX, MACHINE_FILE_UNKNOWN_KEY, MACHINE_FILE_VALUE, MACHINE_FILE_DUPLICATE_ID
 *   and those of the catalogue; every message begins with file, line and column
 */
export function readMachineFile(text: string, options: MachineFileOptions = {}): MachineFile {
  const { file = 'machine file', qemuVersion = '11.1', readTable } = options
  const source = new SourceFile(text, file)
  const checked = MACHINE_FILE.safeParse(source.value, { reportInput: true })
  if (!checked.success) throw shapeError(checked.error.issues[0]!, source)
  return {
    description: describeMachine(checked.data, source, {
      qemuVersion,
      source: 'file',
      ...(readTable !== undefined && { readTable }),
    }),
    guest: checked.data.guest ?? null,
    guestPlace: source.where(['guest']),
  }
}
