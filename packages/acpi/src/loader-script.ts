import type { BytesField, WordField } from '@dmascope/layout'
import { fromHex, putText, textOf, toHex } from './hex.ts'
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

function putWord(view: DataView, base: number, field: WordField, value: number, what: string): void {
  const limit = 0xffff_ffff >>> (32 - 8 * field.size)
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > limit) {
    throw new RangeError(`${what}: ${value} is outside [0, 0x${limit.toString(16)}]`)
  }
  field.set(view, base, value)
}

function putFile(out: Uint8Array, base: number, field: BytesField, name: string, what: string): void {
  if (name.length >= LOADER_FILE_SIZE) {
    throw new RangeError(`${what}: ${JSON.stringify(name)} is longer than 55 characters`)
  }
  putText(out, base + field.offset, name, what)
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
        const { command, file, align, zone } = LOADER_ALLOCATE.fields
        command.set(view, base, LOADER_COMMAND.ALLOCATE)
        putFile(out, base, file, one.file, 'ALLOCATE.file')
        putWord(view, base, align, one.align, 'ALLOCATE.align')
        const where = one.zone === 'high' ? LOADER_ZONE.HIGH : one.zone === 'fseg' ? LOADER_ZONE.FSEG : one.zone
        putWord(view, base, zone, where, 'ALLOCATE.zone')
        break
      }
      case 'add-pointer': {
        const { command, dest_file, src_file, offset, size } = LOADER_ADD_POINTER.fields
        command.set(view, base, LOADER_COMMAND.ADD_POINTER)
        putFile(out, base, dest_file, one.file, 'ADD_POINTER.dest_file')
        putFile(out, base, src_file, one.source, 'ADD_POINTER.src_file')
        putWord(view, base, offset, one.offset, 'ADD_POINTER.offset')
        putWord(view, base, size, one.size, 'ADD_POINTER.size')
        break
      }
      case 'add-checksum': {
        const { command, file, offset, start, length } = LOADER_ADD_CHECKSUM.fields
        command.set(view, base, LOADER_COMMAND.ADD_CHECKSUM)
        putFile(out, base, file, one.file, 'ADD_CHECKSUM.file')
        putWord(view, base, offset, one.offset, 'ADD_CHECKSUM.offset')
        putWord(view, base, start, one.start, 'ADD_CHECKSUM.start')
        putWord(view, base, length, one.length, 'ADD_CHECKSUM.length')
        break
      }
      case 'write-pointer': {
        const { command, dest_file, src_file, dst_offset, src_offset, size } = LOADER_WRITE_POINTER.fields
        command.set(view, base, LOADER_COMMAND.WRITE_POINTER)
        putFile(out, base, dest_file, one.file, 'WRITE_POINTER.dest_file')
        putFile(out, base, src_file, one.source, 'WRITE_POINTER.src_file')
        putWord(view, base, dst_offset, one.offset, 'WRITE_POINTER.dst_offset')
        putWord(view, base, src_offset, one.sourceOffset, 'WRITE_POINTER.src_offset')
        putWord(view, base, size, one.size, 'WRITE_POINTER.size')
        break
      }
      case 'unknown':
        view.setUint32(base, one.number, true)
        out.set(fromHex(one.data, 'data').subarray(0, LOADER_ENTRY_SIZE - 4), base + 4)
    }
  }
  return out
}

/** A script names the same few files over and over. */
const MOST_KNOWN = 8

/** The text up to the first NUL: one of those in `known`, to which it is added, where it is the same. */
function fileName(view: DataView, base: number, { offset, size }: BytesField, known: string[]): string {
  const start = base + offset
  for (const name of known) if (isNamed(view, start, size, name)) return name
  let length = 0
  while (length < size && view.getUint8(start + length) !== 0) length++
  const name = textOf(view, start, length)
  if (known.length < MOST_KNOWN) known.push(name)
  return name
}

function isNamed(view: DataView, start: number, size: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) if (view.getUint8(start + at) !== name.charCodeAt(at)) return false
  return name.length === size || view.getUint8(start + name.length) === 0
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
  const commands: LoaderCommand[] = []
  const known: string[] = []
  for (let base = 0; base < data.length; base += LOADER_ENTRY_SIZE) commands.push(parseCommand(view, base, known))
  return commands
}

function parseCommand(view: DataView, base: number, known: string[]): LoaderCommand {
  const number = view.getUint32(base, true)
  switch (number) {
    case LOADER_COMMAND.ALLOCATE: {
      const { file, align, zone } = LOADER_ALLOCATE.fields
      const where = zone.get(view, base)
      return {
        command: 'allocate',
        file: fileName(view, base, file, known),
        align: align.get(view, base),
        zone: where === LOADER_ZONE.HIGH ? 'high' : where === LOADER_ZONE.FSEG ? 'fseg' : where,
      }
    }
    case LOADER_COMMAND.ADD_POINTER: {
      const { dest_file, src_file, offset, size } = LOADER_ADD_POINTER.fields
      return {
        command: 'add-pointer',
        file: fileName(view, base, dest_file, known),
        source: fileName(view, base, src_file, known),
        offset: offset.get(view, base),
        size: size.get(view, base),
      }
    }
    case LOADER_COMMAND.ADD_CHECKSUM: {
      const { file, offset, start, length } = LOADER_ADD_CHECKSUM.fields
      return {
        command: 'add-checksum',
        file: fileName(view, base, file, known),
        offset: offset.get(view, base),
        start: start.get(view, base),
        length: length.get(view, base),
      }
    }
    case LOADER_COMMAND.WRITE_POINTER: {
      const { dest_file, src_file, dst_offset, src_offset, size } = LOADER_WRITE_POINTER.fields
      return {
        command: 'write-pointer',
        file: fileName(view, base, dest_file, known),
        source: fileName(view, base, src_file, known),
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
