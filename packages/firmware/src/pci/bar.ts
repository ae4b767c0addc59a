import { EXPANSION_ROM_BAR, IO_BAR, MEMORY_BAR, PCI_HEADER_TYPE0, PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'
import type { PciConfig } from './config-access.ts'
import type { FoundFunction } from './functions.ts'

/** I/O ports, memory, prefetchable memory: what bridges have windows for. */
export type RegionType = 0 | 1 | 2
export const IO: RegionType = 0
export const MEMORY: RegionType = 1
export const PREFETCHABLE: RegionType = 2

/** The expansion ROM's BAR, as SeaBIOS numbers them. */
const ROM_BAR = 6
const ENDPOINT_BARS = 6
const BRIDGE_BARS = 2
const TWO_32 = 0x1_0000_0000

/** A BAR that asks for room. */
export interface SizedBar {
  /** 0 to 5, or `ROM_BAR`. */
  readonly bar: number
  readonly type: RegionType
  /** Bytes: a power of two. */
  readonly size: number
  readonly is64: boolean
}

/** Where a BAR's register stands. */
export function barOffset(one: Pick<FoundFunction, 'isBridge'>, bar: number): number {
  if (bar !== ROM_BAR) return PCI_HEADER_TYPE0.registers.BAR0.offset + 4 * bar
  const header = one.isBridge ? PCI_HEADER_TYPE1 : PCI_HEADER_TYPE0
  return header.registers.EXPANSION_ROM_BASE_ADDRESS.offset
}

/** Writes ones and reads back which bits stay zero; the register keeps what it held. */
function probe(config: PciConfig, id: number, offset: number, ones: number): number {
  const held = config.read32(id, offset)
  config.write32(id, offset, ones)
  const answered = config.read32(id, offset)
  config.write32(id, offset, held)
  return answered >>> 0
}

/** The size that a BAR's address bits tell: the lowest one of them that can be set. */
function sizeOf(lo: number, hi: number): number {
  const rest = lo === 0 ? 0 : TWO_32 - lo
  if (hi === 0) return rest
  return (TWO_32 - hi - (lo === 0 ? 0 : 1)) * TWO_32 + rest
}

function sizeBar(config: PciConfig, one: FoundFunction, bar: number): SizedBar | null {
  const offset = barOffset(one, bar)
  if (bar === ROM_BAR) {
    const mask = EXPANSION_ROM_BAR.fields.BASE.loMask
    const size = sizeOf((probe(config, one.id, offset, mask) & mask) >>> 0, 0)
    return size === 0 ? null : { bar, type: MEMORY, size, is64: false }
  }
  const kind = config.read32(one.id, offset)
  const answered = probe(config, one.id, offset, 0xffff_ffff)
  if (MEMORY_BAR.fields.IO.get(kind) !== 0) {
    const bits = (answered & IO_BAR.fields.BASE.loMask) >>> 0
    // A function may leave the upper half of an I/O BAR out.
    const size = sizeOf(bits === 0 ? 0 : (bits | 0xffff_0000) >>> 0, 0)
    return size === 0 ? null : { bar, type: IO, size, is64: false }
  }
  const lo = (answered & MEMORY_BAR.fields.BASE.loMask) >>> 0
  const type = MEMORY_BAR.fields.PREFETCHABLE.get(kind) !== 0 ? PREFETCHABLE : MEMORY
  const is64 = MEMORY_BAR.fields.TYPE.get(kind) === 2
  const size = sizeOf(lo, is64 ? probe(config, one.id, offset + 4, 0xffff_ffff) : 0)
  return size === 0 ? null : { bar, type, size, is64 }
}

/** The BARs of a function that ask for room, ascending, the ROM's last. The function's decoding must be off. */
export function sizeBars(config: PciConfig, one: FoundFunction): SizedBar[] {
  const found: SizedBar[] = []
  const count = one.isBridge ? BRIDGE_BARS : ENDPOINT_BARS
  for (let bar = 0; bar < count; bar++) {
    const sized = sizeBar(config, one, bar)
    if (sized === null) continue
    found.push(sized)
    if (sized.is64) bar++
  }
  const rom = sizeBar(config, one, ROM_BAR)
  return rom === null ? found : [...found, rom]
}

/** Writes a BAR's address. */
export function writeBar(config: PciConfig, one: FoundFunction, bar: number, address: number, is64: boolean): void {
  const offset = barOffset(one, bar)
  config.write32(one.id, offset, address % TWO_32)
  if (is64) config.write32(one.id, offset + 4, Math.floor(address / TWO_32))
}
