import {
  checksum,
  dsdtAddressOf,
  HEADER_SIZE,
  parseRsdp,
  parseRsdt,
  parseXsdt,
  RSDP_SIGNATURE,
  type U64,
} from '@dmascope/acpi'
import { DmascopeError } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { AddressRange } from './memory-map.ts'

/** A system description table as it lies in memory. */
interface FoundTable {
  readonly signature: string
  /** Guest-physical. */
  readonly address: number
  /** A copy of exactly the table. */
  readonly bytes: Uint8Array
  readonly checksumRight: boolean
}

/** What discovery found. */
export interface AcpiTables {
  /** Guest-physical address of the root pointer; null where none was found, and the machine has no ACPI. */
  readonly rsdp: number | null
  /** In the order of the root table, the DSDT last. */
  readonly tables: readonly FoundTable[]
  /** The first table of this signature, as Linux takes it; null where there is none. */
  find(signature: string): FoundTable | null
  /** Memory that the tables lie in. */
  readonly ranges: readonly AddressRange[]
}

const EBDA_SEGMENT = 0x40e
const BIOS_START = 0xe_0000
const BIOS_END = 0x10_0000
/** Real-mode memory ends here; an EBDA segment above it, or in the first kilobyte, is no EBDA. */
const EBDA_RANGE = { start: 0x400, end: 0xa_0000 }
/** What is searched at a time. */
const PIECE = 0x4000
const RSDP_BYTES = 20
const RSDP_2_BYTES = 36
const SCRATCH = new Uint8Array(PIECE + RSDP_2_BYTES)
const SIGNATURE = Uint8Array.from(RSDP_SIGNATURE, (letter) => letter.charCodeAt(0))
const FIRST_LETTER = RSDP_SIGNATURE.charCodeAt(0)
/** Tables of more than this are no tables: real DSDTs have some hundred KiB. */
const MAX_TABLE_BYTES = 0x10_0000
/** Linux's ACPI_MAX_TABLES. */
const MAX_TABLES = 128

/** A table's first bytes, before it is known how many there are. */
const HEADER = new Uint8Array(HEADER_SIZE)

const hex = (value: number): string => `0x${value.toString(16)}`

/** Searches [start, end) on 16-byte boundaries, as ACPI 6.5 §5.2.5.1 says. -1 where there is none. */
function scan(bus: CpuBus, start: number, end: number): number {
  // A piece at a time, with as much of the next one as a root pointer at its end takes.
  for (let piece = start; piece < end; piece += PIECE) {
    const bytes = end - piece < SCRATCH.length ? SCRATCH.subarray(0, end - piece) : SCRATCH
    bus.readBytes(piece, bytes)
    const last = Math.min(PIECE - 1, bytes.length - RSDP_BYTES)
    for (let at = (16 - (piece % 16)) % 16; at <= last; at += 16) {
      if (bytes[at] === FIRST_LETTER && isRootPointer(bytes, at)) return piece + at
    }
  }
  return -1
}

function isRootPointer(bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < SIGNATURE.length; index++) if (bytes[at + index] !== SIGNATURE[index]) return false
  if (checksum(bytes.subarray(at, at + RSDP_BYTES)) !== 0) return false
  // From revision 2 on, the whole of 36 bytes has a checksum of its own.
  const revised = bytes[at + 15]! >= 2 && at + RSDP_2_BYTES <= bytes.length
  return !revised || checksum(bytes.subarray(at, at + RSDP_2_BYTES)) === 0
}

function findRsdp(bus: CpuBus, told: number): number | null {
  if (told !== 0) return told
  const ebda = bus.read16(EBDA_SEGMENT) * 16
  if (ebda >= EBDA_RANGE.start && ebda < EBDA_RANGE.end) {
    const found = scan(bus, ebda, ebda + 1024)
    if (found >= 0) return found
  }
  const found = scan(bus, BIOS_START, BIOS_END)
  return found < 0 ? null : found
}

/** An address that a table gives as 64 bits; 0 where it is beyond what the CPU seam addresses. */
function addressOf(value: U64): number {
  const number = Number(value)
  return Number.isSafeInteger(number) && number > 0 ? number : 0
}

/** Capital letters, digits, `_` and `!`, which is in `ASF!`. */
function isSignature(header: Uint8Array): boolean {
  for (let index = 0; index < 4; index++) {
    const code = header[index]!
    const known = (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39) || code === 0x5f || code === 0x21
    if (!known) return false
  }
  return true
}

/** Reads one table by its header. Null where no table can be there. */
function readTable(bus: CpuBus, address: number, log: (line: string) => void): FoundTable | null {
  bus.readBytes(address, HEADER)
  const signature = String.fromCharCode(HEADER[0]!, HEADER[1]!, HEADER[2]!, HEADER[3]!)
  const length = (HEADER[4]! | (HEADER[5]! << 8) | (HEADER[6]! << 16) | (HEADER[7]! << 24)) >>> 0
  if (!isSignature(HEADER) || length < HEADER_SIZE || length > MAX_TABLE_BYTES) {
    log(`ACPI: no table at ${hex(address)}: signature ${JSON.stringify(signature)}, length ${hex(length)}`)
    return null
  }
  const bytes = new Uint8Array(length)
  bus.readBytes(address, bytes)
  const checksumRight = checksum(bytes) === 0
  log(`ACPI: ${signature} ${hex(address)} ${length} bytes${checksumRight ? '' : ', checksum wrong: used all the same'}`)
  return { signature, address, bytes, checksumRight }
}

/** Physical addresses in the root table: the XSDT where the root pointer is of revision 2 and names one. */
function rootEntries(
  bus: CpuBus,
  rsdp: number,
  log: (line: string) => void,
): { root: FoundTable; entries: number[] } | null {
  const bytes = new Uint8Array(RSDP_2_BYTES)
  bus.readBytes(rsdp, bytes)
  const pointer = parseRsdp(bytes)
  const xsdt = pointer.revision >= 2 ? addressOf(pointer.xsdtAddress ?? 0) : 0
  if (xsdt === 0 && pointer.rsdtAddress === 0) return null
  const root = readTable(bus, xsdt === 0 ? pointer.rsdtAddress : xsdt, log)
  if (root === null) return null
  const entries = root.signature === 'XSDT' ? parseXsdt(root.bytes).entries : parseRsdt(root.bytes).entries
  return { root, entries: entries.map(addressOf).filter((address) => address !== 0) }
}

/** Runs a parser of the acpi package; null where the bytes are not what it parses, with a line in the log. */
export function tryParse<T>(parse: () => T, log: (line: string) => void): T | null {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    log(`ACPI: ${error.message}`)
    return null
  }
}

/**
 * Finds the firmware's tables as a kernel does: by the root pointer's signature in the EBDA's first kilobyte and in the
 * BIOS area, then along the root table. Nothing that stands in memory is believed without bounds; a wrong checksum is
 * told and forgiven, as Linux does.
 *
 * @param told - where the boot loader says that the root pointer is; 0 to search
 */
export function findAcpiTables(bus: CpuBus, told: number, log: (line: string) => void): AcpiTables {
  const rsdp = findRsdp(bus, told)
  const tables: FoundTable[] = []
  const ranges: AddressRange[] = []
  const add = (table: FoundTable): void => {
    tables.push(table)
    ranges.push({ start: table.address, end: table.address + table.bytes.length })
  }
  if (rsdp === null) log('ACPI: no root pointer found')
  else {
    log(`ACPI: RSDP ${hex(rsdp)}`)
    const found = tryParse(() => rootEntries(bus, rsdp, log), log)
    if (found !== null) {
      ranges.push({ start: found.root.address, end: found.root.address + found.root.bytes.length })
      if (found.entries.length > MAX_TABLES)
        log(`ACPI: ${found.entries.length} tables, the first ${MAX_TABLES} are used`)
      for (const address of found.entries.slice(0, MAX_TABLES)) {
        const table = readTable(bus, address, log)
        if (table !== null) add(table)
      }
    }
  }
  const find = (signature: string): FoundTable | null => tables.find((one) => one.signature === signature) ?? null
  const fadt = find('FACP')
  if (fadt !== null) {
    const dsdt = addressOf(tryParse(() => dsdtAddressOf(fadt.bytes, { address: fadt.address }), log) ?? 0)
    const table = dsdt === 0 ? null : readTable(bus, dsdt, log)
    if (table !== null) add(table)
  }
  return { rsdp, tables, find, ranges }
}
