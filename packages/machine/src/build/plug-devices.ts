import { isBridge, type PciBus, type PciFunction } from '@dmascope/pci'
import type { IommuPlan, RootBusFacts } from '../iommu/iommu-plan.ts'
import type { Machine } from '../machine.ts'
import { type PlacedBus, type PlacedDevice, rootBusOf } from './placed-bus.ts'
import { busNumberOf, type Placement } from './placement.ts'
import { realize } from './realize.ts'
import { sriovPlan } from './sriov-plan.ts'
import { isOn } from './switches.ts'
import { wiredBehindIommu } from './wiring.ts'

/** Which of the IOMMUs is in front of a root bus; null where none is. */
export function rootIommu(plans: readonly IommuPlan[], rootBus: PlacedBus, bypass: boolean): number | null {
  if (bypass) return null
  const own = plans.findIndex((plan) => plan.rootBus === rootBus)
  const index = own >= 0 ? own : plans.findIndex((plan) => plan.rootBus === undefined)
  return index < 0 ? null : index
}

/**
 * Plugs every placed function into a machine, and wires it as QEMU would.
 *
 * @param bypass - the machine's own root bus is wired past the IOMMUs
 * @param plans - of the machine's IOMMUs, in their order
 * @returns the root buses: the machine's own, those of expanders in order of creation, and those of further segments
 */
export function plugDevices(
  machine: Machine,
  placement: Placement,
  bypass: boolean,
  plans: readonly IommuPlan[],
): RootBusFacts[] {
  const { rootBus } = placement
  const roots = new Map<PlacedBus, RootBusFacts>([[rootBus, { bus: machine.root.rootBus, placed: rootBus, bypass }]])
  for (const [placed, { device, properties }] of placement.expanders) {
    const express = placed.nature === 'express'
    const bus = machine.addExpanderBus({ number: busNumberOf(properties), express, device })
    roots.set(placed, { bus, placed, bypass: isOn(properties.bypass_iommu) })
  }
  const segments = [...placement.segments].map(([placed, { segment, iommu }], index) => {
    const root = machine.roots[index + 1]!
    roots.set(placed, { bus: root.rootBus, placed, bypass: !iommu, segment })
    return [placed, root] as const
  })
  const complexes = new Map(segments)
  const occupied = new Set(placement.functions.map(({ bus }) => bus.above))
  const functions = new Map<PlacedDevice, PciFunction>()
  placement.functions.forEach((placed, index) => {
    const itself = machine.iommus[plans.findIndex(({ functionAt }) => functionAt === placed)]?.pciFunction
    const virtual = placement.virtual.get(placed) ?? []
    const one = itself ?? realize(placed, index, occupied.has(placed), virtual)
    functions.set(placed, one)
    const rootBusPlaced = rootBusOf(placed.bus)
    const root = roots.get(rootBusPlaced)
    const above = placed.bus.above === null ? undefined : functions.get(placed.bus.above)
    const bus: PciBus | undefined = above !== undefined && isBridge(above) ? above.secondary : root?.bus
    const unit = root === undefined ? null : rootIommu(plans, root.placed, root.bypass)
    const iommu = unit === null ? null : (machine.iommus[unit] ?? null)
    const behindIommu = wiredBehindIommu(placed)
    if (behindIommu && unit !== null) plans[unit]?.checkDevice(placed)
    const plan = sriovPlan(placed)
    machine.plug({
      function: one,
      model: placed.model.name,
      described: placed.description,
      device: placed.device,
      fn: placed.fn,
      dmaThrough: behindIommu ? iommu : null,
      messagesThrough: iommu,
      entersBus: behindIommu,
      virtual: virtual.map((each) => ({
        model: each.model.name,
        described: each.description,
        dmaThrough: wiredBehindIommu(each) ? iommu : null,
        entersBus: wiredBehindIommu(each),
      })),
      root: complexes.get(rootBusPlaced) ?? machine.root,
      ...(plan !== null && { virtualModel: plan.virtualModel }),
      ...(bus !== undefined && { bus }),
    })
  })
  return [...roots.values()]
}
