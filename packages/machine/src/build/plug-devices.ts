import { isBridge, type PciBus, type PciFunction } from '@dmascope/pci'
import type { IommuPlan, RootBusFacts } from '../iommu/iommu-plan.ts'
import type { Machine } from '../machine.ts'
import { type PlacedBus, type PlacedDevice, rootBusOf } from './placed-bus.ts'
import { busNumberOf, type Placement } from './placement.ts'
import { realize } from './realize.ts'
import { isOn } from './switches.ts'
import { wiredBehindIommu } from './wiring.ts'

/**
 * Plugs every placed function into a machine of one segment, and wires it as QEMU would.
 *
 * @param bypass - the machine's own root bus is wired past the IOMMU
 * @returns the root buses: the machine's own, then those of expanders in order of creation
 */
export function plugDevices(
  machine: Machine,
  placement: Placement,
  bypass: boolean,
  plan: IommuPlan | null,
): RootBusFacts[] {
  const roots = new Map<PlacedBus, RootBusFacts>([[placement.rootBus, { bus: machine.root.rootBus, bypass }]])
  for (const [placed, { device, properties }] of placement.expanders) {
    const express = placed.nature === 'express'
    const bus = machine.addExpanderBus({ number: busNumberOf(properties), express, device })
    roots.set(placed, { bus, bypass: isOn(properties.bypass_iommu) })
  }
  const occupied = new Set(placement.functions.map(({ bus }) => bus.above))
  const functions = new Map<PlacedDevice, PciFunction>()
  placement.functions.forEach((placed, index) => {
    const itself = placed === plan?.functionAt ? machine.iommus[0]?.pciFunction : null
    const one = itself ?? realize(placed, index, occupied.has(placed))
    functions.set(placed, one)
    const root = roots.get(rootBusOf(placed.bus))
    const above = placed.bus.above === null ? undefined : functions.get(placed.bus.above)
    const bus: PciBus | undefined = above !== undefined && isBridge(above) ? above.secondary : root?.bus
    const iommu = root?.bypass === true ? null : (machine.iommus[0] ?? null)
    const behindIommu = wiredBehindIommu(placed)
    if (behindIommu && iommu !== null) plan?.checkDevice(placed)
    machine.plug({
      function: one,
      model: placed.model.name,
      described: placed.description,
      device: placed.device,
      fn: placed.fn,
      dmaThrough: behindIommu ? iommu : null,
      messagesThrough: iommu,
      ...(bus !== undefined && { bus }),
    })
  })
  return [...roots.values()]
}
