import { isBridge, type PciBus, type PciFunction } from '@dmascope/pci'
import type { Machine } from '../machine.ts'
import { type PlacedBus, type PlacedDevice, rootBusOf } from './placed-bus.ts'
import type { Placement } from './placement.ts'
import { realize } from './realize.ts'
import { wiredBehindIommu } from './wiring.ts'

/**
 * Plugs every placed function into a machine each of whose segments has a root bus and an IOMMU of its own, as POWER's
 * host bridges have.
 *
 * @param rootBuses - the placed bus of each of the machine's roots, in their order
 * @returns the functions, by the device that they are
 */
export function plugSegments(
  machine: Machine,
  { functions }: Placement,
  rootBuses: readonly PlacedBus[],
): ReadonlyMap<PciFunction, PlacedDevice> {
  const occupied = new Set(functions.map(({ bus }) => bus.above))
  const made = new Map<PlacedDevice, PciFunction>()
  functions.forEach((placed, seed) => {
    const one = realize(placed, seed, occupied.has(placed))
    made.set(placed, one)
    const at = rootBuses.indexOf(rootBusOf(placed.bus))
    const root = machine.roots[at]!
    const above = placed.bus.above === null ? undefined : made.get(placed.bus.above)
    const bus: PciBus = above !== undefined && isBridge(above) ? above.secondary : root.rootBus
    const iommu = machine.iommus[at] ?? null
    machine.plug({
      function: one,
      model: placed.model.name,
      described: placed.description,
      root,
      bus,
      device: placed.device,
      fn: placed.fn,
      dmaThrough: wiredBehindIommu(placed) ? iommu : null,
      messagesThrough: iommu,
    })
  })
  return new Map([...made].map(([placed, one]) => [one, placed]))
}
