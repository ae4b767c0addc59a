import type { Placement } from '../build/placement.ts'
import { refuseUnmodelled } from '../build/realize.ts'
import type { MachineDescription } from '../description.ts'
import type { IommuPlan } from './iommu-plan.ts'
import { refuseIommu } from './refuse-iommu.ts'
import { planVtd } from './vtd/plan-vtd.ts'

/**
 * The machine's IOMMU; null where it has none.
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words, MACHINE_NOT_MODELLED
 */
export function planIommu(placement: Placement, machine: MachineDescription): IommuPlan | null {
  const [first, second] = placement.platform
  if (first === undefined) return null
  if (second !== undefined) throw refuseIommu(second, 'QEMU does not support multiple vIOMMUs for x86 yet.')
  refuseUnmodelled(first)
  if (machine.machine !== 'q35') {
    throw refuseIommu(first, `Machine-type '${machine.machine}' not supported by ${first.model.name}; use q35`)
  }
  return planVtd(first, machine)
}
