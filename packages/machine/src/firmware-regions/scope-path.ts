import { isBridge, type PciBus, type PciFunction } from '@dmascope/pci'
import type { RootBusFacts } from '../iommu/iommu-plan.ts'

/** How a table's device scope leads to a function: the bus to start from, and each step down. Null where it is on none. */
export function scopePath(
  roots: readonly RootBusFacts[],
  wanted: PciFunction,
): { readonly startBusNumber: number; readonly path: { device: number; function: number }[] } | null {
  for (const { bus } of roots) {
    const path = pathBelow(bus, wanted)
    if (path !== null) return { startBusNumber: bus.number, path }
  }
  return null
}

function pathBelow(bus: PciBus, wanted: PciFunction): { device: number; function: number }[] | null {
  for (const { device, fn, function: one } of bus.slots) {
    const step = { device, function: fn }
    if (one === wanted) return [step]
    const below = isBridge(one) ? pathBelow(one.secondary, wanted) : null
    if (below !== null) return [step, ...below]
  }
  return null
}
