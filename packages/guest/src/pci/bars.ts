import { COMMAND, IO_BAR, MEMORY_BAR, PCI_HEADER_TYPE0 } from '@dmascope/pci/spec'
import type { ConfigAccess, FunctionAddress } from './config-access.ts'

/** A Base Address Register as firmware left it. */
export interface Bar {
  readonly index: number
  readonly kind: 'memory' | 'io'
  /** Where it decodes: guest-physical address, or port. 0 is unassigned. */
  readonly base: number
  /** Bytes: what sizing told. */
  readonly size: number
}

const { COMMAND: COMMAND_REGISTER, BAR0 } = PCI_HEADER_TYPE0.registers
const { IO, TYPE } = MEMORY_BAR.fields
const DECODE = COMMAND.fields.MEMORY_SPACE_ENABLE.loMask | COMMAND.fields.IO_SPACE_ENABLE.loMask
const TWO_32 = 0x1_0000_0000

/** The size that a read-back of all ones tells: its lowest address bit that can be set. 0 where there is none. */
function sizeOf(lo: number, hi: number): number {
  if (lo !== 0) return (lo & -lo) >>> 0
  return hi === 0 ? 0 : ((hi & -hi) >>> 0) * TWO_32
}

/**
 * Reads and sizes a function's BARs: `count` of them, 6 in a type 0 header and 2 in a type 1 header. Decoding is off
 * meanwhile, so that no register answers at the address that sizing writes; all is put back as it was.
 *
 * The result has no entry for a BAR that is not there, and none for the upper half of a 64-bit one.
 */
export function readBars(config: ConfigAccess, at: FunctionAddress, count: 2 | 6): Bar[] {
  const command = config.read(at, COMMAND_REGISTER.offset, 2)
  if (command & DECODE) config.write(at, COMMAND_REGISTER.offset, 2, command & ~DECODE)
  const bars = readBarsAt(config, at, BAR0.offset, count)
  if (command & DECODE) config.write(at, COMMAND_REGISTER.offset, 2, command)
  return bars
}

/** The same of registers that stand at `first`, and decode nothing now: an SR-IOV capability's. */
export function readBarsAt(config: ConfigAccess, at: FunctionAddress, first: number, count: number): Bar[] {
  const bars: Bar[] = []
  for (let index = 0; index < count; index++) {
    const offset = first + index * 4
    const lo = config.read(at, offset, 4)
    const mask = probe(config, at, offset, lo)
    // What does not keep a written one is not there; what reads all ones is a function that has gone.
    if (mask === 0 || mask === 0xffff_ffff || lo === 0xffff_ffff) continue
    if (IO.get(mask) === 1) {
      const size = sizeOf((mask & IO_BAR.fields.BASE.loMask & 0xffff) >>> 0, 0)
      if (size > 0) bars.push({ index, kind: 'io', base: IO_BAR.fields.BASE.get(lo), size })
      continue
    }
    const low = (mask & MEMORY_BAR.fields.BASE.loMask) >>> 0
    if (TYPE.get(mask) !== 2 || index + 1 >= count) {
      const size = sizeOf(low, 0)
      if (size > 0) bars.push({ index, kind: 'memory', base: MEMORY_BAR.fields.BASE.get(lo), size })
      continue
    }
    const hi = config.read(at, offset + 4, 4)
    const highMask = probe(config, at, offset + 4, hi)
    const size = sizeOf(low, highMask)
    const base = MEMORY_BAR.fields.BASE.get(lo) + hi * TWO_32
    if (size > 0 && Number.isSafeInteger(base + size)) bars.push({ index, kind: 'memory', base, size })
    index++
  }
  return bars
}

/** Writes all ones, reads back, and restores. */
function probe(config: ConfigAccess, at: FunctionAddress, offset: number, value: number): number {
  config.write(at, offset, 4, 0xffff_ffff)
  const mask = config.read(at, offset, 4)
  config.write(at, offset, 4, value)
  return mask
}
