import { parseFadt, parseRsdp, parseRsdt, parseXsdt, RSDP } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory'

const HEADER_BYTES = 36
const LARGEST_TABLE = 0x100_0000

/** A copy of the device tree that stands in memory. */
export function readDeviceTree(bus: CpuBus, address: number): Uint8Array {
  const header = new Uint8Array(8)
  bus.readBytes(address, header)
  const size = new DataView(header.buffer).getUint32(4)
  const blob = new Uint8Array(Math.min(size, LARGEST_TABLE))
  bus.readBytes(address, blob)
  return blob
}

/** The ACPI tables as they stand in memory, by signature; a second table of the same signature gets a number. */
export function readTables(bus: CpuBus, rsdpAddress: number): Map<string, Uint8Array> {
  const copy = (address: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    bus.readBytes(address, bytes)
    return bytes
  }
  const table = (address: number): Uint8Array =>
    copy(address, Math.min(Math.max(bus.read32(address + 4), HEADER_BYTES), LARGEST_TABLE))
  const found = new Map<string, Uint8Array>()
  const keep = (bytes: Uint8Array): void => {
    const signature = String.fromCharCode(...bytes.subarray(0, 4))
    let name = signature
    for (let count = 2; found.has(name); count++) name = `${signature}${count}`
    found.set(name, bytes)
  }
  const { rsdtAddress, xsdtAddress = 0 } = parseRsdp(copy(rsdpAddress, RSDP.size))
  const wide = Number(xsdtAddress)
  const entries = wide === 0 ? parseRsdt(table(rsdtAddress)).entries : parseXsdt(table(wide)).entries
  for (const address of entries) {
    const bytes = table(Number(address))
    keep(bytes)
    if (String.fromCharCode(...bytes.subarray(0, 4)) !== 'FACP') continue
    const { DSDT, X_DSDT = 0, FIRMWARE_CTRL } = parseFadt(bytes)
    const dsdt = Number(X_DSDT) || DSDT
    if (dsdt !== 0) keep(table(dsdt))
    if (FIRMWARE_CTRL !== 0) keep(table(FIRMWARE_CTRL))
  }
  return found
}
