import type { BytesField, Struct, WordField } from '@dmascope/layout'
import { fromHex, fromText, toHex, toText } from './hex.ts'
import { type TableLocation, tableError } from './problem.ts'
import {
  LOADER_ADD_CHECKSUM,
  LOADER_ADD_POINTER,
  LOADER_ALLOCATE,
  LOADER_COMMAND,
  LOADER_ENTRY_SIZE,
  LOADER_FILE_SIZE,
  LOADER_WRITE_POINTER,
  LOADER_ZONE,
} from './spec/loader.ts'

/** One step of the script by which firmware loads and links the tables that a machine offers as files. */
export type LoaderCommand =
  | { command: 'allocate'; file: string; align: number; zone: 'high' | 'fseg' | number }
  | { command: 'add-pointer'; file: string; source: string; offset: number; size: number }
  | { command: 'add-checksum'; file: string; offset: number; start: number; length: number }
  | { command: 'write-pointer'; file: string; source: string; offset: number; sourceOffset: number; size: number }
  /** A command that firmware passes over; `data` is the other 124 bytes as hexadecimal digits. */
  | { command: 'unknown'; number: number; data: string }

type Fields = Readonly<Record<string, WordField | BytesField>>
const fieldsOf = (of: Struct<object>): Fields => of.fields as Fields

function put(
  view: DataView,
  base: number,
  of: Struct<object>,
  values: Readonly<Record<string, string | number>>,
): void {
  for (const [name, value] of Object.entries(values)) {
    const made = fieldsOf(of)[name]!
    if (made.kind === 'bytes') {
      const file = fromText(String(value), `${of.name}.${name}`)
      if (file.length >= LOADER_FILE_SIZE) {
        throw new RangeError(`${of.name}.${name}: ${JSON.stringify(value)} is longer than 55 characters`)
      }
      made.set(view, base, file)
    } else {
      const limit = 2 ** (8 * made.size) - 1
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > limit) {
        throw new RangeError(`${of.name}.${name}: ${value} is outside [0, 0x${limit.toString(16)}]`)
      }
      made.set(view, base, value)
    }
  }
}

/**
 * The bytes of a script, 128 for each command.
 *
 * @throws RangeError where a number or a file's name does not fit
 */
export function buildLoaderScript(commands: readonly LoaderCommand[]): Uint8Array {
  const out = new Uint8Array(commands.length * LOADER_ENTRY_SIZE)
  const view = new DataView(out.buffer)
  for (const [index, one] of commands.entries()) {
    const base = index * LOADER_ENTRY_SIZE
    switch (one.command) {
      case 'allocate': {
        const zone = one.zone === 'high' ? LOADER_ZONE.HIGH : one.zone === 'fseg' ? LOADER_ZONE.FSEG : one.zone
        const { file, align } = one
        put(view, base, LOADER_ALLOCATE, { command: LOADER_COMMAND.ALLOCATE, file, align, zone })
        break
      }
      case 'add-pointer': {
        const { file: dest_file, source: src_file, offset, size } = one
        const command = LOADER_COMMAND.ADD_POINTER
        put(view, base, LOADER_ADD_POINTER, { command, dest_file, src_file, offset, size })
        break
      }
      case 'add-checksum': {
        const { file, offset, start, length } = one
        const command = LOADER_COMMAND.ADD_CHECKSUM
        put(view, base, LOADER_ADD_CHECKSUM, { command, file, offset, start, length })
        break
      }
      case 'write-pointer': {
        const { file: dest_file, source: src_file, offset: dst_offset, sourceOffset: src_offset, size } = one
        const command = LOADER_COMMAND.WRITE_POINTER
        put(view, base, LOADER_WRITE_POINTER, { command, dest_file, src_file, dst_offset, src_offset, size })
        break
      }
      case 'unknown':
        view.setUint32(base, one.number, true)
        out.set(fromHex(one.data, 'data').subarray(0, LOADER_ENTRY_SIZE - 4), base + 4)
    }
  }
  return out
}

const fileName = (data: Uint8Array): string => {
  const end = data.indexOf(0)
  return toText(end < 0 ? data : data.subarray(0, end))
}

/**
 * Reads a script. Commands of a number that is not known come back as bytes, since firmware passes them over.
 *
 * @throws DmascopeError `ACPI_LOADER` where the length is no multiple of 128
 */
export function parseLoaderScript(data: Uint8Array, at?: TableLocation): LoaderCommand[] {
  if (data.length % LOADER_ENTRY_SIZE !== 0) {
    const message = `${data.length} bytes are no multiple of ${LOADER_ENTRY_SIZE}`
    throw tableError('ACPI_LOADER', 'table loader script', data.length, message, at)
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  return Array.from({ length: data.length / LOADER_ENTRY_SIZE }, (_, index) => {
    return parseCommand(view, index * LOADER_ENTRY_SIZE)
  })
}

function parseCommand(view: DataView, base: number): LoaderCommand {
  const number = view.getUint32(base, true)
  switch (number) {
    case LOADER_COMMAND.ALLOCATE: {
      const { file, align, zone } = LOADER_ALLOCATE.fields
      const where = zone.get(view, base)
      return {
        command: 'allocate',
        file: fileName(file.get(view, base)),
        align: align.get(view, base),
        zone: where === LOADER_ZONE.HIGH ? 'high' : where === LOADER_ZONE.FSEG ? 'fseg' : where,
      }
    }
    case LOADER_COMMAND.ADD_POINTER: {
      const { dest_file, src_file, offset, size } = LOADER_ADD_POINTER.fields
      return {
        command: 'add-pointer',
        file: fileName(dest_file.get(view, base)),
        source: fileName(src_file.get(view, base)),
        offset: offset.get(view, base),
        size: size.get(view, base),
      }
    }
    case LOADER_COMMAND.ADD_CHECKSUM: {
      const { file, offset, start, length } = LOADER_ADD_CHECKSUM.fields
      return {
        command: 'add-checksum',
        file: fileName(file.get(view, base)),
        offset: offset.get(view, base),
        start: start.get(view, base),
        length: length.get(view, base),
      }
    }
    case LOADER_COMMAND.WRITE_POINTER: {
      const { dest_file, src_file, dst_offset, src_offset, size } = LOADER_WRITE_POINTER.fields
      return {
        command: 'write-pointer',
        file: fileName(dest_file.get(view, base)),
        source: fileName(src_file.get(view, base)),
        offset: dst_offset.get(view, base),
        sourceOffset: src_offset.get(view, base),
        size: size.get(view, base),
      }
    }
    default:
      return {
        command: 'unknown',
        number,
        data: toHex(new Uint8Array(view.buffer, view.byteOffset + base + 4, LOADER_ENTRY_SIZE - 4)),
      }
  }
}
