import {
  E820_TYPE,
  HEADER_SIZE,
  parseDmar,
  SINIT_MLE_DATA,
  TBOOT_SHARED_PAGE,
  TBOOT_UUID,
  TXT_HEAP_TABLES,
  TXT_PUBLIC_BASE,
  TXT_REGISTERS,
} from '@dmascope/acpi'
import { numberFromPair } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { DmarSource } from '../iommu/vtd/dmar-units.ts'
import { tryParse } from './acpi-tables.ts'
import type { BootParams } from './boot-params.ts'

/** Since version 5 the shared page has all that Linux wants of it. */
const OLDEST_VERSION = 5
const LENGTH_SIZE = 8
const LARGEST_TABLE = 0x10_0000

/**
 * Whether the kernel was launched by tboot, as Linux's `tboot_probe` finds out: the boot parameters name a shared page,
 * in memory that is reserved, with tboot's UUID in it.
 */
export function findTboot(bus: CpuBus, boot: BootParams, log: (line: string) => void): boolean {
  const { tbootAddress: address } = boot
  if (address === 0) return false
  const reserved = boot.memoryMap.some(
    ({ base, length, type }) => type === E820_TYPE.reserved && base <= address && address < base + length,
  )
  if (!reserved) {
    log(`tboot: the shared page at 0x${address.toString(16)} is not in reserved memory`)
    return false
  }
  const bytes = new Uint8Array(TBOOT_SHARED_PAGE.size)
  bus.readBytes(address, bytes)
  const version = TBOOT_SHARED_PAGE.fields.version.get(new DataView(bytes.buffer), 0)
  if (!TBOOT_UUID.every((byte, index) => bytes[index] === byte) || version < OLDEST_VERSION) {
    log(`tboot: what is at 0x${address.toString(16)} is no shared page of version ${OLDEST_VERSION} or later`)
    return false
  }
  log(`tboot: found shared page at phys addr 0x${address.toString(16)}`)
  return true
}

/**
 * The copy of the DMAR that the launch kept in TXT's heap, which no device reaches: Linux takes it instead of ACPI's.
 *
 * @returns null where the heap is none, with a line in the log
 */
export function launchedDmar(bus: CpuBus, log: (line: string) => void): DmarSource | null {
  const nothing = (why: string): null => {
    log(`tboot: no DMAR in the TXT heap: ${why}`)
    return null
  }
  const quad = (address: number): number => {
    const hi = bus.read32(address + 4)
    return hi < 0x20_0000 ? numberFromPair(hi, bus.read32(address)) : Number.POSITIVE_INFINITY
  }
  const { HEAP_BASE, HEAP_SIZE } = TXT_REGISTERS.registers
  const base = quad(TXT_PUBLIC_BASE + HEAP_BASE.offset)
  const end = base + quad(TXT_PUBLIC_BASE + HEAP_SIZE.offset)
  if (base === 0 || !Number.isSafeInteger(end)) return nothing('no heap is named')
  let table = base
  for (const name of TXT_HEAP_TABLES.slice(0, -1)) {
    const size = quad(table)
    if (size < LENGTH_SIZE || table + size + LENGTH_SIZE + SINIT_MLE_DATA.size > end)
      return nothing(`${name} passes its end`)
    table += size
  }
  const body = new Uint8Array(SINIT_MLE_DATA.size)
  bus.readBytes(table + LENGTH_SIZE, body)
  const address = table + SINIT_MLE_DATA.fields.vtd_dmars_off.get(new DataView(body.buffer), 0)
  if (address + HEADER_SIZE > end) return nothing('SinitMleData names one beyond its end')
  const length = bus.read32(address + 4)
  if (length < HEADER_SIZE || length > LARGEST_TABLE || address + length > end)
    return nothing(`its length is 0x${length.toString(16)}`)
  const bytes = new Uint8Array(length)
  bus.readBytes(address, bytes)
  const dmar = tryParse(() => parseDmar(bytes, { address }), log)
  return dmar && { dmar, address, bytes }
}
