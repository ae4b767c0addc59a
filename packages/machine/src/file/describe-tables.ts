import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription, TableEditDescription } from '../description.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

/** Gives the table of this signature that a file named in a machine file holds. */
export type ReadTable = (file: string, signature: string) => Uint8Array

/**
 * The changes to tables that a machine file asks for.
 *
 * @param readTable - left out: files cannot be had, and the file may name none
 * @throws DmascopeError MACHINE_FILE_VALUE naming the place
 */
export function describeTables(
  { tables }: MachineFileContent,
  places: Places,
  readTable?: ReadTable,
): Pick<MachineDescription, 'tables'> {
  if (tables === undefined || tables.length === 0) return {}
  const described = tables.map(({ table, index = 0, file, offset, bytes, checksum }, at): TableEditDescription => {
    const path = ['tables', at]
    const refuse = (key: string, text: string): DmascopeError =>
      new DmascopeError('MACHINE_FILE_VALUE', `${places.whereKey([...path, key])}: ${text}`, { table })
    if ((file === undefined) === (bytes === undefined)) {
      throw refuse('table', 'write either file, for the whole table, or offset and bytes')
    }
    const location = { text: places.where(path) }
    if (file !== undefined) {
      if (offset !== undefined) throw refuse('offset', 'a file is the whole table; leave offset out, or file')
      const replacement = readNamed(file, table, readTable, (text) => refuse('file', text))
      return { table, index, replacement, patches: [], checksum: checksum ?? 'keep', location }
    }
    if (offset === undefined) throw refuse('bytes', 'write at which offset of the table, such as offset: 0x38')
    const patch = bytesOf(`${bytes}`)
    if (patch === null) {
      throw refuse('bytes', `expected bytes in hexadecimal, such as "00 10 d9 fe", got '${bytes}'`)
    }
    return { table, index, patches: [{ offset, bytes: patch }], checksum: checksum ?? 'mend', location }
  })
  return { tables: described }
}

function readNamed(
  file: string,
  table: string,
  readTable: ReadTable | undefined,
  refuse: (text: string) => DmascopeError,
): Uint8Array {
  if (readTable === undefined) throw refuse(`no file can be read here; write offset and bytes`)
  try {
    return readTable(file, table)
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    throw refuse(error.message)
  }
}

/** Null for what is no bytes in hexadecimal, with or without spaces. */
function bytesOf(text: string): Uint8Array | null {
  const digits = text.replaceAll(/\s/g, '')
  if (!/^([0-9a-f]{2})+$/i.test(digits)) return null
  return Uint8Array.from({ length: digits.length / 2 }, (_, at) =>
    Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16),
  )
}
