import { PCI_HEADER_TYPE1 } from '@dmascope/pci/spec'
import { IO, MEMORY, PREFETCHABLE, writeBar } from './bar.ts'
import type { BusRegions } from './collect-regions.ts'
import type { PciConfig } from './config-access.ts'
import { alignDown, alignUp, type Region, type RegionEntry } from './region.ts'

/** Where PCI may be placed. */
export interface PlacementSpace {
  /** First byte below 4 GiB that is neither RAM nor configuration space. */
  readonly memoryStart: number
  /** First byte behind: the I/O APIC. */
  readonly memoryEnd: number
  /** Ports from 0x1000 up to here are free. */
  readonly ioEnd: number
  /** What can lie above 4 GiB is put there in any case, as SeaBIOS 1.17 does where RAM lies there too. */
  readonly preferHigh: boolean
  /** First byte above 4 GiB that is free. */
  readonly highStart: number
  /** First byte that the processor cannot address. */
  readonly highEnd: number
  /** Whether something lies in [base, base + size) already. */
  isUsed(base: number, size: number): boolean
}

/** A BAR, or a bridge's window, as it was placed. */
export interface PlacedRegion extends RegionEntry {
  readonly address: number
}

const TRADITIONAL_IO = 0xc000
const TRADITIONAL_IO_SIZE = 0x4000
const LOW_IO = 0x1000
const GIB = 0x4000_0000
const TWO_32 = 0x1_0000_0000
const R = PCI_HEADER_TYPE1.registers

/**
 * Places everything, outer buses first, and writes BARs and windows.
 *
 * @returns what was placed where, in the order in which it was; null where ports or 32-bit memory do not suffice, and
 *   then what was written before stays
 */
export function placeRegions(
  config: PciConfig,
  buses: ReadonlyMap<number, BusRegions>,
  space: PlacementSpace,
): PlacedRegion[] | null {
  const [io, memory, prefetchable] = buses.get(0)!.regions
  const placed: PlacedRegion[] = []
  const bases = new Map<Region, number>()
  const ioBase = placeIo(io, space)
  if (ioBase === null) return null
  bases.set(io, ioBase)

  let low = placeLow(memory, prefetchable, space)
  if (low === null || space.preferHigh) {
    const highMemory = memory.takeHigh()
    const highPrefetchable = prefetchable.takeHigh()
    low = placeLow(memory, prefetchable, space)
    if (low === null) return null
    const high = placeHigh(highMemory, highPrefetchable, space)
    mapRegion(config, buses, bases, highMemory, high.memory, placed)
    mapRegion(config, buses, bases, highPrefetchable, high.prefetchable, placed)
  }
  bases.set(memory, low.memory)
  bases.set(prefetchable, low.prefetchable)
  for (const [, { regions }] of [...buses].sort(([a], [b]) => a - b)) {
    for (const region of regions) mapRegion(config, buses, bases, region, bases.get(region) ?? 0, placed)
  }
  return placed
}

function placeIo(io: Region, { ioEnd }: PlacementSpace): number | null {
  if (io.size < TRADITIONAL_IO_SIZE) return TRADITIONAL_IO
  return io.size < ioEnd - LOW_IO ? LOW_IO : null
}

/** Below the I/O APIC, the more strictly aligned of the two regions lower, so that little is lost in between. */
function placeLow(
  memory: Region,
  prefetchable: Region,
  space: PlacementSpace,
): { memory: number; prefetchable: number } | null {
  const swapped = memory.align < prefetchable.align
  const [lower, upper] = swapped ? [prefetchable, memory] : [memory, prefetchable]
  const upperBase = alignDown(space.memoryEnd - upper.size, upper.align)
  const lowerBase = alignDown(upperBase - lower.size, lower.align)
  if (lowerBase < space.memoryStart || lowerBase > space.memoryEnd) return null
  return swapped ? { memory: upperBase, prefetchable: lowerBase } : { memory: lowerBase, prefetchable: upperBase }
}

function placeHigh(
  memory: Region,
  prefetchable: Region,
  space: PlacementSpace,
): { memory: number; prefetchable: number } {
  let size = alignUp(memory.size, GIB) + alignUp(prefetchable.size, GIB)
  if (space.preferHigh) size = alignUp(size, space.highEnd / 8)
  let base = Math.max(space.highStart, space.highEnd - size)
  if (space.isUsed(base, size)) base -= size
  const memoryBase = alignUp(alignUp(base, memory.align), GIB)
  return {
    memory: memoryBase,
    prefetchable: alignUp(alignUp(memoryBase + memory.size, prefetchable.align), GIB),
  }
}

function mapRegion(
  config: PciConfig,
  buses: ReadonlyMap<number, BusRegions>,
  bases: Map<Region, number>,
  region: Region,
  base: number,
  placed: PlacedRegion[],
): void {
  let address = base
  for (const entry of region.entries) {
    const { owner, bar, type, size, align, is64 } = entry
    placed.push({ owner, bar, type, size, align, is64, address })
    if (entry.bar !== null) writeBar(config, entry.owner, entry.bar, address, entry.is64)
    else {
      writeWindow(config, entry, address)
      const below = buses.get(entry.owner.secondaryBus)
      if (below !== undefined) bases.set(below.regions[entry.type], address)
    }
    address += entry.size
  }
}

/** A window whose limit is below its base, as that of an empty one, forwards nothing. */
function writeWindow(config: PciConfig, { owner: { id }, type, size }: RegionEntry, address: number): void {
  const limit = address + size - 1
  switch (type) {
    case IO:
      config.write8(id, R.IO_BASE.offset, (address >>> 8) & 0xff)
      config.write16(id, R.IO_BASE_UPPER_16.offset, 0)
      config.write8(id, R.IO_LIMIT.offset, (limit >>> 8) & 0xff)
      config.write16(id, R.IO_LIMIT_UPPER_16.offset, 0)
      break
    case MEMORY:
      config.write16(id, R.MEMORY_BASE.offset, (address >>> 16) & 0xffff)
      config.write16(id, R.MEMORY_LIMIT.offset, (limit >>> 16) & 0xffff)
      break
    case PREFETCHABLE:
      config.write16(id, R.PREFETCHABLE_MEMORY_BASE.offset, (address >>> 16) & 0xffff)
      config.write16(id, R.PREFETCHABLE_MEMORY_LIMIT.offset, (limit >>> 16) & 0xffff)
      config.write32(id, R.PREFETCHABLE_BASE_UPPER_32.offset, Math.floor(address / TWO_32))
      config.write32(id, R.PREFETCHABLE_LIMIT_UPPER_32.offset, Math.floor(limit / TWO_32))
  }
}
