import { MEMORY_BAR, MEMORY_RANGE, PCI_HEADER_TYPE1, PREFETCHABLE_RANGE, SRIOV_CAPABILITY } from '@dmascope/pci/spec'
import type { AddressRange } from '../early/memory-map.ts'
import type { Need } from './address-need.ts'
import type { Bar } from './bars.ts'
import type { ConfigAccess } from './config-access.ts'
import { busKey } from './enumerate.ts'
import type { PciFunction } from './pci-function.ts'

const TYPE1 = PCI_HEADER_TYPE1.registers
const { VF_BAR0 } = SRIOV_CAPABILITY.registers
const { BASE, TYPE, PREFETCHABLE } = MEMORY_BAR.fields
const TWO_32 = 0x1_0000_0000
const MIB = 0x10_0000

/** What a host bridge passes on, below and above 4 GiB. */
interface RootWindows {
  readonly memory: { readonly base: number; readonly size: number } | null
  readonly memory64: { readonly base: number; readonly size: number } | null
}

/** A VF BAR as its register says it is: room for all virtual functions, aligned as for one. */
interface VfRange {
  readonly name: string
  readonly bar: Bar
  readonly size: number
  /** It may lie above 4 GiB. */
  readonly wide: boolean
  readonly prefetchable: boolean
  readonly register: number
}

function rangesOf(config: ConfigAccess, fn: PciFunction): VfRange[] {
  const { sriov } = fn
  if (sriov === undefined) return []
  return sriov.bars.map((bar) => {
    const register = sriov.offset + VF_BAR0.offset + bar.index * 4
    const flags = config.read(fn, register, 4)
    return {
      name: `${fn.id}: VF BAR ${bar.index}`,
      bar,
      size: bar.size * sriov.totalVfs,
      wide: TYPE.get(flags) === 2,
      prefetchable: PREFETCHABLE.get(flags) === 1,
      register,
    }
  })
}

function write(config: ConfigAccess, fn: PciFunction, { register, wide }: VfRange, base: number): void {
  config.write(fn, register, 4, base % TWO_32)
  if (wide) config.write(fn, register + 4, 4, Math.floor(base / TWO_32))
}

/** Where a VF BAR is now; 0 is unassigned. */
function baseOf(config: ConfigAccess, fn: PciFunction, { register, wide }: VfRange): number {
  const high = wide ? config.read(fn, register + 4, 4) * TWO_32 : 0
  return high + BASE.get(config.read(fn, register, 4))
}

/** The VF BARs of a function as they are placed now, by the size of one virtual function's. */
export function placedVfBars(config: ConfigAccess, fn: PciFunction): readonly Bar[] {
  return rangesOf(config, fn).map((range) => ({ ...range.bar, base: baseOf(config, fn, range) }))
}

/** What a function's virtual ones want of addresses, for a kernel that places everything itself. */
export function vfBarNeeds(config: ConfigAccess, fn: PciFunction): Need[] {
  return rangesOf(config, fn).map((range) => ({
    name: range.name,
    space: range.wide ? (range.prefetchable ? 'wide-prefetchable' : 'wide') : 'memory',
    size: range.size,
    align: range.bar.size,
    place: (base) => write(config, fn, range, base),
  }))
}

/**
 * Places the VF BARs that firmware left alone, as none that is modelled sizes them: each at the lowest free place of
 * the windows above it, prefetchable ones of 64 bits above 4 GiB or in the bridge's prefetchable window where they can.
 *
 * DEVIATION: Linux would make a bridge's window larger where there is no room in it, if nobody uses what is behind it.
 * Here the VF BAR goes without an address.
 *
 * @param windows - what a root bus's host bridge passes on, by `busKey`
 */
export function placeVirtualBars(
  config: ConfigAccess,
  functions: readonly PciFunction[],
  windows: ReadonlyMap<number, RootWindows>,
  log: (line: string) => void,
): void {
  const placed: AddressRange[] = []
  for (const fn of functions) {
    for (const range of rangesOf(config, fn)) {
      if (baseOf(config, fn, range) !== 0) continue
      const taken = [...takenBeside(config, functions, fn), ...placed]
      const base = windowsAbove(config, fn, windows, range)
        .map((window) => lowestFree(window, taken, range.size, range.bar.size))
        .find((at) => at !== null)
      if (base === undefined || base === null) {
        log(`pci ${range.name}: can't assign; no space for ${range.size} bytes`)
        continue
      }
      const end = base + range.size
      log(`pci ${range.name} [mem 0x${base.toString(16)}-0x${(end - 1).toString(16)}]: assigned`)
      placed.push({ start: base, end })
      write(config, fn, range, base)
    }
  }
}

/** What BARs and bridges on the function's own bus decode. */
function takenBeside(config: ConfigAccess, functions: readonly PciFunction[], { parent }: PciFunction): AddressRange[] {
  const beside = functions.filter((other) => other.parent === parent)
  return beside.flatMap((other) => [
    ...other.bars
      .filter(({ kind, base }) => kind === 'memory' && base !== 0)
      .map(({ base, size }) => ({ start: base, end: base + size })),
    ...((other.headerType & 0x7f) === 1 ? bridgeWindows(config, other) : []),
  ])
}

function bridgeWindows(config: ConfigAccess, bridge: PciFunction): AddressRange[] {
  return [memoryWindow(config, bridge), prefetchableWindow(config, bridge)].filter((window) => window !== null)
}

const range31to20 = (word: typeof MEMORY_RANGE | typeof PREFETCHABLE_RANGE, value: number): number =>
  word.fields.ADDRESS_31_20.get(value) * MIB

function memoryWindow(config: ConfigAccess, bridge: PciFunction): AddressRange | null {
  const start = range31to20(MEMORY_RANGE, config.read(bridge, TYPE1.MEMORY_BASE.offset, 2))
  const limit = range31to20(MEMORY_RANGE, config.read(bridge, TYPE1.MEMORY_LIMIT.offset, 2))
  return start > limit ? null : { start, end: limit + MIB }
}

function prefetchableWindow(config: ConfigAccess, bridge: PciFunction): AddressRange | null {
  const upper = (offset: number): number => config.read(bridge, offset, 4) * TWO_32
  const low = config.read(bridge, TYPE1.PREFETCHABLE_MEMORY_BASE.offset, 2)
  const start = range31to20(PREFETCHABLE_RANGE, low) + upper(TYPE1.PREFETCHABLE_BASE_UPPER_32.offset)
  const last = config.read(bridge, TYPE1.PREFETCHABLE_MEMORY_LIMIT.offset, 2)
  const limit = range31to20(PREFETCHABLE_RANGE, last) + upper(TYPE1.PREFETCHABLE_LIMIT_UPPER_32.offset)
  return start > limit || limit > Number.MAX_SAFE_INTEGER - MIB ? null : { start, end: limit + MIB }
}

/** Windows that may hold the range, best first. */
function windowsAbove(
  config: ConfigAccess,
  fn: PciFunction,
  windows: ReadonlyMap<number, RootWindows>,
  { wide, prefetchable }: VfRange,
): readonly AddressRange[] {
  if (fn.parent !== null) {
    const memory = memoryWindow(config, fn.parent)
    const inPrefetchable = wide && prefetchable ? prefetchableWindow(config, fn.parent) : null
    return [inPrefetchable, memory].filter((one) => one !== null)
  }
  const root = windows.get(busKey(fn))
  const high = wide ? root?.memory64 : null
  return [high, root?.memory].flatMap((one) => (one ? [{ start: one.base, end: one.base + one.size }] : []))
}

/** The lowest address in the window, a multiple of `align`, from which `size` bytes are free; null for none. */
function lowestFree(window: AddressRange, taken: readonly AddressRange[], size: number, align: number): number | null {
  const up = (address: number): number => Math.ceil(address / align) * align
  let at = up(window.start)
  for (const { start, end } of [...taken].sort((a, b) => a.start - b.start)) {
    if (start < at + size && end > at) at = up(end)
  }
  return at + size <= window.end ? at : null
}
