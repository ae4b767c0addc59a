import { type AddressRange, isBridge, type PciBus } from './bus.ts'
import type { PciFunction } from './contracts/pci-function.ts'

/** Addresses [start, end) at which one BAR answers. A BAR may have several, where a window cuts it. */
export interface DecodedRange extends AddressRange {
  readonly function: PciFunction
  readonly bar: number
  /** Where the BAR itself starts: an offset into it counts from here. */
  readonly barAddress: number
}

const EVERYWHERE: readonly AddressRange[] = [{ start: 0, end: Number.MAX_SAFE_INTEGER }]

function intersect(of: readonly AddressRange[], windows: readonly AddressRange[]): AddressRange[] {
  const parts: AddressRange[] = []
  for (const one of of) {
    for (const window of windows) {
      const start = Math.max(one.start, window.start)
      const end = Math.min(one.end, window.end)
      if (start < end) parts.push({ start, end })
    }
  }
  return parts
}

/**
 * What answers at one address, as a `DecodeMap` of the same buses would say, without building one: for the first
 * lookups after a change, as there may be another change before a map has paid. The range is of that address alone.
 */
export function decodeOnce(space: 'memory' | 'io', buses: readonly PciBus[], address: number): DecodedRange | null {
  for (const bus of buses) {
    for (const { function: one } of bus.slots) {
      for (const { bar, space: barSpace, address: start, size } of one.config.bars) {
        if (barSpace !== space || start === null || address < start || address >= start + size) continue
        return { start: address, end: address + 1, function: one, bar, barAddress: start }
      }
      if (!isBridge(one)) continue
      const windows = space === 'memory' ? one.memoryWindows() : one.ioWindows()
      if (!windows.some(({ start, end }) => address >= start && address < end)) continue
      const found = decodeOnce(space, [one.secondary], address)
      if (found !== null) return found
    }
  }
  return null
}

/**
 * What answers where, in one address space, as BARs and windows stand. The ranges are disjoint and ascending: where
 * functions overlap, which is a mistake of software's, the one that is first in bus order answers.
 */
export class DecodeMap {
  readonly ranges: readonly DecodedRange[]
  #last: DecodedRange | null = null

  constructor(space: 'memory' | 'io', roots: readonly PciBus[]) {
    const ranges: DecodedRange[] = []
    const walk = (bus: PciBus, windows: readonly AddressRange[]): void => {
      for (const { function: one } of bus.slots) {
        for (const { bar, space: barSpace, address, size } of one.config.bars) {
          if (barSpace !== space || address === null) continue
          for (const part of intersect([{ start: address, end: address + size }], windows)) {
            insert(ranges, { start: part.start, end: part.end, function: one, bar, barAddress: address })
          }
        }
        if (isBridge(one)) {
          const below = intersect(windows, space === 'memory' ? one.memoryWindows() : one.ioWindows())
          if (below.length > 0) walk(one.secondary, below)
        }
      }
    }
    for (const root of roots) walk(root, EVERYWHERE)
    this.ranges = ranges
  }

  find(address: number): DecodedRange | null {
    const last = this.#last
    if (last !== null && address >= last.start && address < last.end) return last
    const found = this.ranges[firstEndingAfter(this.ranges, address)]
    if (found === undefined || address < found.start) return null
    this.#last = found
    return found
  }
}

/** Index of the first of ascending ranges that ends above `address`. */
function firstEndingAfter(ranges: readonly DecodedRange[], address: number): number {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ranges[middle]!.end <= address) low = middle + 1
    else high = middle
  }
  return low
}

/** Puts in what of `added` no range claims yet. */
function insert(ranges: DecodedRange[], added: DecodedRange): void {
  let { start } = added
  let index = firstEndingAfter(ranges, start)
  while (start < added.end) {
    const next = ranges[index]
    const end = next === undefined ? added.end : Math.min(added.end, next.start)
    if (start < end) {
      ranges.splice(index, 0, { ...added, start, end })
      index++
    }
    if (next === undefined) return
    start = Math.max(start, next.end)
    index++
  }
}
