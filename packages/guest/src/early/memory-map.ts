import { E820_TYPE } from '@dmascope/acpi'
import type { MemoryMapEntry } from './boot-params.ts'

/** Guest-physical bytes [start, end). */
export interface AddressRange {
  readonly start: number
  readonly end: number
}

const PAGE = 4096

/** Firmware tells of most in order. */
function ascending(ranges: readonly AddressRange[]): readonly AddressRange[] {
  for (let index = 1; index < ranges.length; index++) {
    if (ranges[index]!.start < ranges[index - 1]!.start) return [...ranges].sort((a, b) => a.start - b.start)
  }
  return ranges
}

/** `ranges`, ascending and merged where they touch or overlap. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: { start: number; end: number }[] = []
  for (const { start, end } of ascending(ranges)) {
    const last = merged.at(-1)
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end)
    else if (end > start) merged.push({ start, end })
  }
  return merged
}

/** What is left of `from` without `holes`, ascending. */
export function subtractRanges(from: readonly AddressRange[], holes: readonly AddressRange[]): AddressRange[] {
  const left: AddressRange[] = []
  const cut = mergeRanges(holes)
  for (const { start, end } of mergeRanges(from)) {
    let at = start
    for (const hole of cut) {
      if (hole.end <= at) continue
      if (hole.start >= end) break
      if (hole.start > at) left.push({ start: at, end: hole.start })
      at = Math.max(at, hole.end)
    }
    if (at < end) left.push({ start: at, end })
  }
  return left
}

/**
 * Whole pages of usable RAM, ascending. Where entries overlap, the one that is not RAM wins, as in Linux's
 * `e820__update_table`. Everything below 1 MiB stays out: firmware, real-mode structures and the boot parameters live
 * there.
 *
 * @param reserved - what else must not be handed out, e.g. ACPI tables that a map forgot
 */
export function usablePages(map: readonly MemoryMapEntry[], reserved: readonly AddressRange[] = []): AddressRange[] {
  const ram: AddressRange[] = []
  const holes: AddressRange[] = [{ start: 0, end: 0x10_0000 }]
  for (const { base, length, type } of map) {
    const range = { start: base, end: base + length }
    if (type === E820_TYPE.ram) ram.push(range)
    else holes.push(range)
  }
  for (const { start, end } of reserved) {
    holes.push({ start: Math.floor(start / PAGE) * PAGE, end: Math.ceil(end / PAGE) * PAGE })
  }
  return subtractRanges(ram, holes)
    .map(({ start, end }) => ({ start: Math.ceil(start / PAGE) * PAGE, end: Math.floor(end / PAGE) * PAGE }))
    .filter(({ start, end }) => end > start)
}

/** Whether all of [start, end) is in entries that are not RAM: what Linux asks before it believes an ECAM window. */
export function isReserved(map: readonly MemoryMapEntry[], start: number, end: number): boolean {
  const reserved = map
    .filter(({ type }) => type !== E820_TYPE.ram)
    .map(({ base, length }) => ({ start: base, end: base + length }))
  return subtractRanges([{ start, end }], reserved).length === 0
}
