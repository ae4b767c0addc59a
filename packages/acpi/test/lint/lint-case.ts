import type { LintContext, TopologyFunction } from '../../src/lint/index.ts'
import { tableOf } from '../annotated-hex.ts'

/** A table that trips a rule at a byte, and one, for the same machine, that does not. */
export interface LintCase {
  readonly rule: string
  readonly trips: Uint8Array
  /** Byte at which the finding points. */
  readonly at: number
  readonly clean: Uint8Array
  readonly context?: LintContext
}

/** Little-endian hexadecimal digits. */
export function le(value: number | bigint, bytes: number): string {
  const digits = BigInt.asUintN(8 * bytes, BigInt(value))
    .toString(16)
    .padStart(2 * bytes, '0')
  return (digits.match(/../g) ?? []).reverse().join('')
}

/** A function of a topology: `00:1f.3`, with the bus below it where it is a bridge. */
export function pci(address: string, more: Partial<TopologyFunction> = {}): TopologyFunction {
  const [bus = '', device = '', fn = ''] = address.split(/[:.]/)
  return {
    segment: 0,
    bus: Number.parseInt(bus, 16),
    device: Number.parseInt(device, 16),
    function: Number(fn),
    headerType: more.secondaryBus === undefined ? 0 : 1,
    classCode: more.secondaryBus === undefined ? 0x0200 : 0x0604,
    secondaryBus: null,
    vendorId: 0x1af4,
    deviceId: 0x1041,
    ...more,
  }
}

export const topology = (...functions: TopologyFunction[]): LintContext => ({ topology: { functions } })

/** A MADT with I/O APICs of these IDs, each with 24 interrupts, and ITSs of these. */
export function madt(apics: readonly number[], itss: readonly number[] = []): Uint8Array {
  const records = apics.map(
    (id, index) => `01 0c ${le(id, 1)} 00 ${le(0xfec0_0000 + index * 0x1000, 4)} ${le(index * 24, 4)}`,
  )
  for (const id of itss) records.push(`0f 14 0000 ${le(id, 4)} ${le(0x8080000, 8)} 00000000`)
  return tableOf('APIC', `0000e0fe 01000000 ${records.join(' ')}`)
}

/** The same table with some bytes changed; its checksum stays as it is. */
export function withBytes(table: Uint8Array, offset: number, ...bytes: number[]): Uint8Array {
  const copy = table.slice()
  copy.set(bytes, offset)
  return copy
}

/** The same with its checksum right. */
export function withSum(table: Uint8Array): Uint8Array {
  const copy = table.slice()
  copy[9] = 0
  copy[9] = -copy.reduce((sum, byte) => sum + byte, 0) & 0xff
  return copy
}
