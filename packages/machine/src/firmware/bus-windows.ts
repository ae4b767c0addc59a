import { isBridge, type PciBus } from '@dmascope/pci'

/** Addresses or ports, first to last. */
export interface WindowRange {
  readonly first: number
  readonly last: number
}

/** What lies below a root bus, as software has placed it. */
export interface BusWindows {
  readonly ports: readonly WindowRange[]
  /** Below 4 GiB first, then what reaches above. */
  readonly memory: readonly WindowRange[]
  /** The highest bus number below it; its own where there are no bridges. */
  readonly lastBus: number
}

const FOUR_GIB = 0x1_0000_0000

/** QEMU's `build_crs`: BARs of the functions on a root bus and windows of its bridges, joined where they touch. */
export function windowsOf(bus: PciBus): BusWindows {
  const ports: WindowRange[] = []
  const memory: WindowRange[] = []
  let lastBus = bus.number
  const add = (to: WindowRange[], start: number, end: number): void => {
    if (start > 0 && start < end) to.push({ first: start, last: end - 1 })
  }
  for (const { function: one } of bus.slots) {
    for (const { space, address, size } of one.config.bars) {
      if (address !== null) add(space === 'io' ? ports : memory, address, address + size)
    }
    if (!isBridge(one)) continue
    for (const { start, end } of one.ioWindows()) add(ports, start, end)
    for (const { start, end } of one.memoryWindows()) add(memory, start, end)
    lastBus = Math.max(lastBus, one.subordinateBusNumber)
  }
  const isLow = ({ last }: WindowRange): boolean => last < FOUR_GIB
  return {
    ports: joined(ports),
    memory: [...joined(memory.filter(isLow)), ...joined(memory.filter((one) => !isLow(one)))],
    lastBus,
  }
}

/** Ascending, with neighbours that touch or overlap made one. */
function joined(ranges: readonly WindowRange[]): WindowRange[] {
  const out: WindowRange[] = []
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = out[out.length - 1]
    if (before !== undefined && range.first <= before.last + 1) {
      out[out.length - 1] = { first: before.first, last: Math.max(before.last, range.last) }
    } else out.push(range)
  }
  return out
}

/** What is left of a range without `taken`. */
export function without(range: WindowRange, taken: readonly WindowRange[]): WindowRange[] {
  const left: WindowRange[] = []
  let { first } = range
  for (const one of joined(taken)) {
    if (one.last < first || one.first > range.last) continue
    if (one.first > first) left.push({ first, last: one.first - 1 })
    first = one.last + 1
  }
  if (first <= range.last) left.push({ first, last: range.last })
  return left
}
