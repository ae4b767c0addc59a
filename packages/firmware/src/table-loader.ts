import { checksum, type LoaderCommand, parseLoaderScript, RSDP_SIGNATURE } from '@dmascope/acpi'
import { DmascopeError } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { FwCfg, FwCfgFile } from './fw-cfg.ts'
import type { Zone } from './memory/zone.ts'
import { FW_CFG_NAME } from './spec/fw-cfg.ts'

/** A file that the script put into memory. */
export interface LoadedFile {
  readonly address: number
  readonly size: number
}

interface LoaderContext {
  readonly bus: CpuBus
  readonly fwCfg: FwCfg
  readonly high: Zone
  readonly fseg: Zone
  readonly log: (line: string) => void
}

/** Bytes on their way from memory. */
const SCRATCH = new Uint8Array(4096)
const MIN_ALIGN = 16
const isPowerOfTwo = (value: number): boolean => value !== 0 && (value & (value - 1)) === 0

/**
 * Runs the script that loads the machine's tables and links them, command by command. One that is in error is passed
 * over with a line in the log, as SeaBIOS does: the tables are then as wrong as it made them.
 *
 * @returns what was loaded where, by file name; empty where the machine offers no script
 */
export function runTableLoader(context: LoaderContext): Map<string, LoadedFile> {
  const loaded = new Map<string, LoadedFile>()
  const script = context.fwCfg.file(FW_CFG_NAME.TABLE_LOADER)
  if (script === null) return loaded
  let commands: LoaderCommand[]
  try {
    commands = parseLoaderScript(script)
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    context.log(`table loader: ${error.message}`)
    return loaded
  }
  for (const [index, command] of commands.entries()) {
    const problem = runCommand(command, context, loaded)
    if (problem !== null) context.log(`table loader: command ${index}, ${command.command}: ${problem}`)
  }
  return loaded
}

function runCommand(command: LoaderCommand, context: LoaderContext, loaded: Map<string, LoadedFile>): string | null {
  switch (command.command) {
    case 'allocate':
      return allocate(command, context, loaded)
    case 'add-pointer': {
      const into = loaded.get(command.file)
      const source = loaded.get(command.source)
      const { offset, size } = command
      if (into === undefined || source === undefined) return 'a file is not loaded'
      if (!(isPowerOfTwo(size) && size <= 8 && offset + size <= into.size))
        return `${size} bytes at ${offset} do not fit`
      addPointer(context.bus, into.address + offset, size, source.address)
      return null
    }
    case 'add-checksum': {
      const file = loaded.get(command.file)
      if (file === undefined) return 'the file is not loaded'
      const { offset, start, length } = command
      if (offset >= file.size || start + length > file.size) return `bytes ${start} to ${start + length} do not fit`
      const at = file.address + offset
      context.bus.write8(at, (context.bus.read8(at) + checksumOf(context.bus, file.address + start, length)) & 0xff)
      return null
    }
    case 'write-pointer':
      return 'writable files are not supported'
    default:
      return `number ${command.number} is not known`
  }
}

function allocate(
  command: Extract<LoaderCommand, { command: 'allocate' }>,
  { fwCfg, high, fseg }: LoaderContext,
  loaded: Map<string, LoadedFile>,
): string | null {
  const file: FwCfgFile | undefined = fwCfg.files.get(command.file)
  if (file === undefined || file.size === 0) return `there is no file ${command.file}`
  const zone = command.zone === 'high' ? high : command.zone === 'fseg' ? fseg : null
  if (zone === null) return `zone ${command.zone} is not known`
  const align = Math.max(command.align, MIN_ALIGN)
  if (!isPowerOfTwo(align)) return `alignment ${align} is no power of two`
  const address = zone.allocate(file.size, align)
  if (address < 0) return `no room for ${file.size} bytes`
  if (!fwCfg.loadInto(file, address)) return 'the device refused to give the file'
  loaded.set(command.file, { address, size: file.size })
  return null
}

/** The byte that makes the sum of so much memory and itself zero. */
function checksumOf(bus: CpuBus, address: number, length: number): number {
  let sum = 0
  for (let done = 0; done < length; done += SCRATCH.length) {
    const size = Math.min(length - done, SCRATCH.length)
    const piece = size === SCRATCH.length ? SCRATCH : SCRATCH.subarray(0, size)
    bus.readBytes(address + done, piece)
    sum += checksum(piece)
  }
  return sum & 0xff
}

/** Adds `value` to the little-endian integer that stands there; carries go on, the last one is lost. */
function addPointer(bus: CpuBus, address: number, size: number, value: number): void {
  if (size === 4) {
    bus.write32(address, (bus.read32(address) + value) >>> 0)
    return
  }
  const data = new Uint8Array(size)
  bus.readBytes(address, data)
  let rest = value
  for (let index = 0; index < size; index++) {
    rest += data[index]!
    data[index] = rest % 0x100
    rest = Math.floor(rest / 0x100)
  }
  bus.writeBytes(address, data)
}

/** The address of the root pointer, where one of these files is it; 0 else. */
export function findRsdp(bus: CpuBus, tables: ReadonlyMap<string, LoadedFile>): number {
  for (const { address, size } of tables.values()) {
    if (size >= RSDP_SIGNATURE.length && holdsText(bus, address, RSDP_SIGNATURE)) return address
  }
  return 0
}

function holdsText(bus: CpuBus, address: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (bus.read8(address + index) !== text.charCodeAt(index)) return false
  }
  return true
}
