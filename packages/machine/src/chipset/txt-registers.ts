import { TXT_PRIVATE_BASE, TXT_PUBLIC_BASE, TXT_REGISTERS, TXT_SPACE_SIZE } from '@dmascope/acpi'
import { nextValue, nextValueHigh, type Register } from '@dmascope/layout'
import type { MmioHandler } from '@dmascope/memory'

/** Words of the registers that are modelled: where the heap of a measured launch is. */
const WORDS = new Map<number, { readonly register: Register; readonly high: boolean }>(
  Object.values(TXT_REGISTERS.registers).flatMap((register): [number, { register: Register; high: boolean }][] => [
    [register.offset, { register, high: false }],
    [register.offset + 4, { register, high: true }],
  ]),
)

/**
 * The configuration registers of Intel TXT, as software on processors sees them.
 * They show twice: for reading and writing, and for reading alone.
 *
 * DEVIATION: the private space is closed once a launch has ended; here it stays open.
 */
export function txtRegisters(): readonly { name: string; base: number; size: number; handler: MmioHandler }[] {
  const values = new Map<number, number>()
  const read = (offset: number, width: 1 | 2 | 4): number => {
    const word = (values.get(offset & ~3) ?? 0) >>> ((offset & 3) * 8)
    return width === 4 ? word : word & (width === 2 ? 0xffff : 0xff)
  }
  const write = (offset: number, width: 1 | 2 | 4, value: number): void => {
    const place = WORDS.get(offset)
    if (place === undefined || width !== 4) return
    const next = place.high ? nextValueHigh : nextValue
    values.set(offset, next(place.register, values.get(offset) ?? 0, value >>> 0))
  }
  const size = TXT_SPACE_SIZE
  return [
    { name: 'TXT private', base: TXT_PRIVATE_BASE, size, handler: { read, write } },
    { name: 'TXT public', base: TXT_PUBLIC_BASE, size, handler: { read, write: () => {} } },
  ]
}
