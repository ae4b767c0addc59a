import { type PciBus, type PciSlot, sourceIdOf } from './bus.ts'
import type { PciFunction } from './contracts/pci-function.ts'
import type { PhysicalFunction } from './contracts/physical-function.ts'
import { deviceOf, functionOf } from './spec/routing-id.ts'
import type { SriovCapability } from './sriov-capability.ts'

/**
 * Where a virtual function sits: at a distance from the physical one that its capability states (§9.2.1.2), be that
 * another device number, or another bus number behind the same link.
 */
export class VirtualSlot implements PciSlot {
  readonly function: PciFunction
  readonly physical: PciSlot
  readonly bus: PciBus
  readonly #distance: number
  readonly #sriov: SriovCapability
  readonly #index: number

  constructor(physical: PciSlot, sriov: SriovCapability, one: PciFunction, index: number) {
    this.function = one
    this.physical = physical
    this.bus = physical.bus
    this.#distance = sriov.firstVfOffset + index * sriov.vfStride
    this.#sriov = sriov
    this.#index = index
  }

  /** Software has enabled it. */
  get enabled(): boolean {
    return this.#index < this.#sriov.enabledVfs
  }

  get requesterId(): number {
    return (this.physical.requesterId + this.#distance) & 0xffff
  }

  get device(): number {
    return deviceOf(this.requesterId)
  }

  get fn(): number {
    return functionOf(this.requesterId)
  }

  get sourceId(): number {
    return sourceIdOf(this)
  }
}

/**
 * Puts a physical function's virtual ones on its bus, and keeps them there as its capability says.
 *
 * @param changed - called when what is there, or what they decode, may have changed
 * @throws RangeError where their number is not TotalVFs
 */
export function plugVirtualFunctions(
  physical: PciSlot,
  { sriov, virtualFunctions }: PhysicalFunction & { readonly sriov: SriovCapability },
  changed: () => void,
): readonly VirtualSlot[] {
  if (virtualFunctions.length !== sriov.totalVfs) {
    throw new RangeError(`${virtualFunctions.length} virtual functions where TotalVFs is ${sriov.totalVfs}`)
  }
  const slots = virtualFunctions.map((one, index) => new VirtualSlot(physical, sriov, one, index))
  physical.bus.plugVirtual(slots)
  let enabled = 0
  sriov.onChange(() => {
    const now = sriov.enabledVfs
    for (let index = now; index < enabled; index++) virtualFunctions[index]!.reset('function')
    for (const [index, { config }] of virtualFunctions.entries()) {
      for (const { bar } of config.bars) config.placeBar(bar, sriov.vfBarAddress(bar, index))
    }
    if (now !== enabled) physical.bus.recount()
    enabled = now
    changed()
  })
  return slots
}
