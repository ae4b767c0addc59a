import { type Dmar, E820_TYPE } from '@dmascope/acpi'
import { CAP, PMEN, PROTECTED_MEMORY_GRANULE_LOG2, VTD_REGISTERS } from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { E820Range } from '../memory/e820.ts'

const R = VTD_REGISTERS.registers
const GRANULE = 2 ** PROTECTED_MEMORY_GRANULE_LOG2
const FOUR_GIB = 0x1_0000_0000
const PATIENCE = 1000

/** Memory that is closed to devices: bytes, of a size of 0 where nothing is. */
export interface ProtectedRegions {
  readonly low: { readonly base: number; readonly size: number }
  readonly high: { readonly base: number; readonly size: number }
}

/**
 * What tboot closes: from the first RAM to the last, below 4 GiB and above it. Bases and sizes are rounded down, so that
 * nothing beyond RAM is closed; what this leaves open at the end of RAM is not for the kernel.
 */
export function regionsToProtect(map: readonly E820Range[]): ProtectedRegions {
  const ram = map.filter(({ type }) => type === E820_TYPE.ram)
  const span = (ranges: readonly E820Range[]): ProtectedRegions['low'] => {
    const first = ranges[0]
    const last = ranges.at(-1)
    if (first === undefined || last === undefined) return { base: 0, size: 0 }
    const base = Math.floor(first.base / GRANULE) * GRANULE
    return { base, size: Math.floor((last.base + last.length - base) / GRANULE) * GRANULE }
  }
  return {
    low: span(ram.filter(({ base }) => base < FOUR_GIB)),
    high: span(ram.filter(({ base }) => base >= FOUR_GIB)),
  }
}

/** Closes the regions by the registers of every unit that the table names. Answers what stands in the way; null if nothing. */
export function protectMemory(bus: CpuBus, dmar: Dmar, { low, high }: ProtectedRegions): string | null {
  let units = 0
  for (const record of dmar.records) {
    if (record.kind !== 'DRHD') continue
    units++
    const base = Number(record.registerBaseAddress)
    const name = `VT-d at 0x${base.toString(16)}`
    if (base === 0 || !Number.isSafeInteger(base)) return `${name}: no registers there`
    const cap = bus.read32(base + R.CAP.offset)
    if (CAP.fields.PLMR.get(cap) === 0 || CAP.fields.PHMR.get(cap) === 0)
      return `${name}: it cannot protect memory (CAP.PLMR, CAP.PHMR)`
    const write64 = (offset: number, value: number): void => {
      bus.write32(base + offset, lowWord(value))
      bus.write32(base + offset + 4, highWord(value))
    }
    // A limit below the base closes nothing.
    const lastOf = ({ base: from, size }: ProtectedRegions['low']): number => Math.max(from + size - GRANULE, 0)
    const firstOf = ({ base: from, size }: ProtectedRegions['low']): number => (size === 0 ? GRANULE : from)
    bus.write32(base + R.PLMBASE.offset, firstOf(low))
    bus.write32(base + R.PLMLIMIT.offset, lastOf(low))
    write64(R.PHMBASE.offset, firstOf(high))
    write64(R.PHMLIMIT.offset, lastOf(high))
    bus.write32(base + R.PMEN.offset, PMEN.fields.EPM.loMask)
    if (!isProtected(bus, base)) return `${name}: it never told that memory is protected (PMEN.PRS)`
  }
  return units === 0 ? 'the DMAR names no unit' : null
}

function isProtected(bus: CpuBus, base: number): boolean {
  for (let tries = 0; tries < PATIENCE; tries++) {
    if (PMEN.fields.PRS.get(bus.read32(base + R.PMEN.offset)) === 1) return true
  }
  return false
}
