import {
  IO_RANGE,
  MEMORY_BAR,
  MEMORY_RANGE,
  PCI_HEADER_TYPE0,
  PCI_HEADER_TYPE1,
  PREFETCHABLE_RANGE,
} from '@dmascope/pci/spec'
import { AddressArena } from './address-arena.ts'
import type { Need, Space } from './address-need.ts'
import type { Bar } from './bars.ts'
import type { ConfigAccess } from './config-access.ts'
import type { PciFunction } from './pci-function.ts'
import { vfBarNeeds } from './sriov-resources.ts'

const { BAR0 } = PCI_HEADER_TYPE0.registers
const TYPE1 = PCI_HEADER_TYPE1.registers
const TWO_32 = 0x1_0000_0000
const MIB = 0x10_0000
const IO_GRANULE = 0x1000
/** Linux's PCIBIOS_MIN_IO on arm64: lower ports stay free. */
const FIRST_PORT = 0x1000

/** A host bridge's windows: bus addresses, which are CPU addresses too. */
export interface HostBridgeWindows {
  /** Ports end here. */
  readonly ports: number
  /** They begin here; at 0 unless given. */
  readonly firstPort?: number
  /** Below 4 GiB; null without one. */
  readonly memory: { readonly base: number; readonly size: number } | null
  /** Above 4 GiB; null without one. */
  readonly memory64: { readonly base: number; readonly size: number } | null
  /** What windows of bridges are a multiple of, and aligned to, where that is more than a MiB. */
  readonly bridgeWindows?: { readonly memory: number; readonly prefetchable: number }
}

/**
 * Gives every BAR below a host bridge an address, and every bridge its windows, as Linux does where it takes nothing over
 * from firmware: those of the largest alignment first, each at the lowest place that is free; 64-bit ones above 4 GiB
 * where there is a window (`pci_bus_size_bridges`, `pci_bus_assign_resources`).
 *
 * DEVIATION: hot-plug ports get no room to spare, and expansion ROMs no address.
 *
 * @param functions - what is on the root bus and below, in enumeration order
 */
export function assignResources(
  config: ConfigAccess,
  functions: readonly PciFunction[],
  windows: HostBridgeWindows,
  log: (line: string) => void,
): void {
  const { ports, firstPort = 0, memory, memory64, bridgeWindows = { memory: MIB, prefetchable: MIB } } = windows
  const arenas = {
    io: new AddressArena(Math.min(Math.max(FIRST_PORT, firstPort), ports), ports),
    low: memory && new AddressArena(memory.base, memory.base + memory.size),
    high: memory64 && new AddressArena(memory64.base, memory64.base + memory64.size),
  }
  const roots = functions.filter(({ parent }) => parent === null)
  for (const need of sorted(needsOf(config, roots, functions, bridgeWindows))) {
    const { name, space, size, align } = need
    const wide = space === 'wide' || space === 'wide-prefetchable'
    const base =
      space === 'io'
        ? arenas.io.take(size, align)
        : ((wide ? arenas.high?.take(size, align) : null) ?? arenas.low?.take(size, align) ?? null)
    if (base === null) log(`pci ${name}: can't assign; no space for ${size} bytes`)
    else {
      log(
        `pci ${name}: [${space === 'io' ? 'io' : 'mem'} 0x${base.toString(16)}-0x${(base + size - 1).toString(16)}]: assigned`,
      )
      need.place(base)
    }
  }
}

const sorted = (needs: readonly Need[]): Need[] => [...needs].sort((a, b) => b.align - a.align)

type Granules = NonNullable<HostBridgeWindows['bridgeWindows']>

function needsOf(
  config: ConfigAccess,
  bus: readonly PciFunction[],
  all: readonly PciFunction[],
  granules: Granules,
): Need[] {
  return bus.flatMap((fn) => {
    const bars = [...fn.bars.map((bar) => barNeed(config, fn, bar)), ...vfBarNeeds(config, fn)]
    if ((fn.headerType & 0x7f) !== 1) return bars
    const below = needsOf(
      config,
      all.filter(({ parent }) => parent === fn),
      all,
      granules,
    )
    return [...bars, ...bridgeNeeds(config, fn, below, granules)]
  })
}

function barNeed(config: ConfigAccess, fn: PciFunction, { index, kind, size }: Bar): Need {
  const offset = BAR0.offset + index * 4
  const flags = config.read(fn, offset, 4)
  const wide = kind === 'memory' && MEMORY_BAR.fields.TYPE.get(flags) === 2
  const prefetchable = kind === 'memory' && MEMORY_BAR.fields.PREFETCHABLE.get(flags) === 1
  return {
    name: `${fn.id}: BAR ${index}`,
    space: kind === 'io' ? 'io' : wide ? (prefetchable ? 'wide-prefetchable' : 'wide') : 'memory',
    size,
    align: size,
    place(base) {
      config.write(fn, offset, 4, base % TWO_32)
      if (wide) config.write(fn, offset + 4, 4, Math.floor(base / TWO_32))
    },
  }
}

/** A bridge's three windows. One that nothing is behind is closed. */
function bridgeNeeds(config: ConfigAccess, fn: PciFunction, below: readonly Need[], granules: Granules): Need[] {
  const prefetchable = PREFETCHABLE_RANGE.fields.CAPABILITY.get(
    config.read(fn, TYPE1.PREFETCHABLE_MEMORY_BASE.offset, 2),
  )
  const takesWide = prefetchable === 1
  closeWindows(config, fn)
  const windowOf = (
    name: string,
    space: Space,
    granule: number,
    needs: readonly Need[],
    open: (base: number, last: number) => void,
  ): Need[] => {
    if (needs.length === 0) return []
    const arena = new AddressArena(0, Number.MAX_SAFE_INTEGER)
    const places = sorted(needs).map((need) => ({ need, at: arena.take(need.size, need.align) ?? 0 }))
    const size = Math.ceil(arena.top / granule) * granule
    return [
      {
        name: `${fn.id}: bridge window ${name}`,
        space,
        size,
        align: Math.max(granule, ...needs.map(({ align }) => align)),
        place(base) {
          open(base, base + size - 1)
          for (const { need, at } of places) need.place(base + at)
        },
      },
    ]
  }
  const inPrefetchable = ({ space }: Need): boolean => takesWide && space === 'wide-prefetchable'
  return [
    ...windowOf(
      'io',
      'io',
      IO_GRANULE,
      below.filter(({ space }) => space === 'io'),
      (base, last) => openIo(config, fn, base, last),
    ),
    ...windowOf(
      'memory',
      'memory',
      Math.max(granules.memory, MIB),
      below.filter((need) => need.space !== 'io' && !inPrefetchable(need)),
      (base, last) => {
        config.write(fn, TYPE1.MEMORY_BASE.offset, 2, range31to20(MEMORY_RANGE, base))
        config.write(fn, TYPE1.MEMORY_LIMIT.offset, 2, range31to20(MEMORY_RANGE, last))
      },
    ),
    ...windowOf(
      'prefetchable',
      'wide-prefetchable',
      Math.max(granules.prefetchable, MIB),
      below.filter(inPrefetchable),
      (base, last) => {
        config.write(fn, TYPE1.PREFETCHABLE_MEMORY_BASE.offset, 2, range31to20(PREFETCHABLE_RANGE, base))
        config.write(fn, TYPE1.PREFETCHABLE_MEMORY_LIMIT.offset, 2, range31to20(PREFETCHABLE_RANGE, last))
        config.write(fn, TYPE1.PREFETCHABLE_BASE_UPPER_32.offset, 4, Math.floor(base / TWO_32))
        config.write(fn, TYPE1.PREFETCHABLE_LIMIT_UPPER_32.offset, 4, Math.floor(last / TWO_32))
      },
    ),
  ]
}

const range31to20 = (word: typeof MEMORY_RANGE | typeof PREFETCHABLE_RANGE, address: number): number =>
  word.fields.ADDRESS_31_20.setLo(0, Math.floor((address % TWO_32) / MIB))

function openIo(config: ConfigAccess, fn: PciFunction, base: number, last: number): void {
  const { ADDRESS_15_12 } = IO_RANGE.fields
  config.write(fn, TYPE1.IO_BASE.offset, 1, ADDRESS_15_12.setLo(0, (base >>> 12) & 0xf))
  config.write(fn, TYPE1.IO_LIMIT.offset, 1, ADDRESS_15_12.setLo(0, (last >>> 12) & 0xf))
  config.write(fn, TYPE1.IO_BASE_UPPER_16.offset, 2, base >>> 16)
  config.write(fn, TYPE1.IO_LIMIT_UPPER_16.offset, 2, last >>> 16)
}

/** Bases above limits. */
function closeWindows(config: ConfigAccess, fn: PciFunction): void {
  config.write(fn, TYPE1.IO_BASE.offset, 1, 0xf0)
  config.write(fn, TYPE1.IO_LIMIT.offset, 1, 0)
  config.write(fn, TYPE1.IO_BASE_UPPER_16.offset, 2, 0)
  config.write(fn, TYPE1.IO_LIMIT_UPPER_16.offset, 2, 0)
  config.write(fn, TYPE1.MEMORY_BASE.offset, 2, 0xfff0)
  config.write(fn, TYPE1.MEMORY_LIMIT.offset, 2, 0)
  config.write(fn, TYPE1.PREFETCHABLE_MEMORY_BASE.offset, 2, 0xfff0)
  config.write(fn, TYPE1.PREFETCHABLE_MEMORY_LIMIT.offset, 2, 0)
  config.write(fn, TYPE1.PREFETCHABLE_BASE_UPPER_32.offset, 4, 0)
  config.write(fn, TYPE1.PREFETCHABLE_LIMIT_UPPER_32.offset, 4, 0)
}
