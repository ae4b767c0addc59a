import { pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import { type U64, u64FromBig } from '../values.ts'
import { parseRanges, translateAddress } from './ranges.ts'

/** Addresses that a device can put on its bus, and where they are for a processor. */
export interface DmaWindow {
  readonly bus: U64
  readonly cpu: U64
  readonly size: U64
}

/** What the buses above a device say of its DMA. */
export interface DmaWindows {
  /** The bus whose `dma-ranges` holds; null where none says anything: addresses are the processor's. */
  readonly on: DtNode | null
  readonly windows: readonly DmaWindow[]
  readonly problem: string | null
}

/**
 * The windows of the nearest bus whose `dma-ranges` is not empty, from `bus` up; each is followed to the root. Once a bus
 * has the property, one above without it ends the search, as in Linux.
 *
 * @param bus - the device's parent; the host bridge for a PCI function
 */
export function findDmaWindows(bus: DtNode): DmaWindows {
  let hasSeen = false
  for (let on: DtNode | null = bus; on !== null; on = on.parent) {
    const { kind, entries, problem } = parseRanges(on, 'dma-ranges')
    if (kind === 'absent' && hasSeen) {
      return { on: null, windows: [], problem: `${pathOf(on)} has no dma-ranges, and a bus below it has` }
    }
    if (kind !== 'absent') hasSeen = true
    if (kind !== 'mapped') continue
    const windows: DmaWindow[] = []
    let wrong = problem
    for (const { child, parent, parentUpper, size } of entries) {
      const above = on.parent
      const up =
        above === null
          ? { ok: true as const, address: parent }
          : translateAddress(above, parent, 'dma-ranges', parentUpper)
      if (up.ok) windows.push({ bus: child, cpu: up.address, size })
      else wrong ??= up.reason
    }
    return { on, windows, problem: wrong }
  }
  return { on: null, windows: [], problem: null }
}

/** The processor's address that DMA to a bus address reaches; null where no window has it. */
export function cpuAddressOf({ on, windows }: DmaWindows, bus: U64): U64 | null {
  if (on === null) return bus
  const value = BigInt(bus)
  for (const window of windows) {
    const offset = value - BigInt(window.bus)
    if (offset >= 0n && offset < BigInt(window.size)) return u64FromBig(BigInt.asUintN(64, offset + BigInt(window.cpu)))
  }
  return null
}
