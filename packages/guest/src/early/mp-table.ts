import { type MpConfiguration, parseMpConfiguration, parseMpFloatingPointer } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'
import { IoApic } from '../interrupts/io-apic.ts'

/** Interrupt controllers by an MP table: what a kernel goes by that finds no MADT. */
export interface MpInterrupts {
  readonly localApic: number
  readonly ioApics: readonly { readonly id: number; readonly address: number; readonly gsiBase: number }[]
  /** Global system interrupt of each interrupt of the ISA bus. */
  readonly isaInputs: ReadonlyMap<number, number>
}

/** Where Linux looks for the pointer: the first kilobyte, the last of 640 KiB, and the BIOS area. */
const PLACES = [
  { start: 0, end: 0x400 },
  { start: 0x9_fc00, end: 0xa_0000 },
  { start: 0xf_0000, end: 0x10_0000 },
] as const
const STEP = 16
const HEADER_BYTES = 44
const MOST_IO_APICS = 128

function findPointer(bus: CpuBus): { readonly at: number; readonly table: number } | null {
  for (const { start, end } of PLACES) {
    const bytes = new Uint8Array(end - start)
    bus.readBytes(start, bytes)
    for (let offset = 0; offset < bytes.length; offset += STEP) {
      // '_': most places need no closer look.
      if (bytes[offset] !== 0x5f) continue
      const table = parseMpFloatingPointer(bytes.subarray(offset, offset + STEP))
      if (table !== null) return { at: start + offset, table }
    }
  }
  return null
}

function readConfiguration(bus: CpuBus, address: number): MpConfiguration | null {
  const header = new Uint8Array(HEADER_BYTES)
  bus.readBytes(address, header)
  const bytes = new Uint8Array(Math.max(HEADER_BYTES, header[4]! | (header[5]! << 8)))
  bus.readBytes(address, bytes)
  return parseMpConfiguration(bytes)
}

/** Finds and reads the MP table. Null where there is none, or none that makes sense. */
export function findMpTable(bus: CpuBus, log: (line: string) => void): MpInterrupts | null {
  const pointer = findPointer(bus)
  if (pointer === null) return null
  log(`found SMP MP-table at 0x${pointer.at.toString(16)}`)
  const configuration = readConfiguration(bus, pointer.table)
  if (configuration === null) {
    log(`MP table at 0x${pointer.table.toString(16)}: it makes no sense, not used`)
    return null
  }
  const ioApics: MpInterrupts['ioApics'][number][] = []
  let gsiBase = 0
  for (const entry of configuration.entries) {
    if (entry.kind !== 'io-apic' || !entry.usable || ioApics.length >= MOST_IO_APICS) continue
    const { id, address } = entry
    ioApics.push({ id, address, gsiBase })
    log(`IOAPIC: apic_id ${id}, address 0x${address.toString(16)}, GSI ${gsiBase} and up`)
    gsiBase += new IoApic(bus, id, address, gsiBase).pins
  }
  return { localApic: configuration.localApic, ioApics, isaInputs: isaInputs(configuration, ioApics) }
}

function isaInputs({ entries }: MpConfiguration, ioApics: MpInterrupts['ioApics']): ReadonlyMap<number, number> {
  const isa = new Set(entries.flatMap((one) => (one.kind === 'bus' && one.type === 'ISA' ? [one.id] : [])))
  const inputs = new Map<number, number>()
  for (const one of entries) {
    if (one.kind !== 'io-interrupt' || one.type !== 'vectored' || !isa.has(one.bus) || inputs.has(one.irq)) continue
    const ioApic = ioApics.find(({ id }) => id === one.apicId)
    if (ioApic !== undefined) inputs.set(one.irq, ioApic.gsiBase + one.input)
  }
  return inputs
}
