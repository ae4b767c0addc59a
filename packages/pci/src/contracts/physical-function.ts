import type { SriovCapability } from '../sriov-capability.ts'
import type { PciFunction } from './pci-function.ts'

/** A function that can have virtual functions, by its SR-IOV capability. */
export interface PhysicalFunction extends PciFunction {
  /** Null where this one has none. */
  readonly sriov: SriovCapability | null
  /** One for each of TotalVFs, in order; each a function of its own, made with `virtualFunction` set. */
  readonly virtualFunctions: readonly PciFunction[]
}

/** Whether the function can have virtual functions. */
export function isPhysicalFunction(of: PciFunction): of is PhysicalFunction & { readonly sriov: SriovCapability } {
  return 'sriov' in of && of.sriov !== null && of.sriov !== undefined
}
