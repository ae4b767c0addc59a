import type { PciBus } from '@dmascope/pci'
import type { PlacedBus, PlacedDevice } from '../build/placed-bus.ts'
import type { FirmwareRegion } from '../firmware-regions/firmware-region.ts'
import type { IommuWiring, MachineIommu } from './machine-iommu.ts'

/** A root bus, and whether it is wired past the IOMMUs. */
export interface RootBusFacts {
  readonly bus: PciBus
  readonly placed: PlacedBus
  readonly bypass: boolean
  /** Of PCI; 0 unless given. */
  readonly segment?: number
}

/** An IOMMU that a description asks for, with all that QEMU checks about it checked, before there is a machine. */
export interface IommuPlan {
  /** The root bus whose functions alone are behind it; left out, those of every root bus that does not bypass it. */
  readonly rootBus?: PlacedBus
  /** Where the device was placed that is the IOMMU's own function on PCI; null for an IOMMU that is none. */
  readonly functionAt: PlacedDevice | null
  /** Makes the IOMMU, once. */
  create(wiring: IommuWiring): MachineIommu
  /**
   * The ACPI table that tells software of it, with bus numbers as they are when it is called.
   *
   * @param regions - what it is to tell of memory of the firmware's, for kinds whose tables can; none unless given
   */
  acpiTable(roots: readonly RootBusFacts[], regions?: readonly FirmwareRegion[]): Uint8Array
  /** The plan of one more like it, in front of the root bus of another segment, for kinds that may be several. */
  forSegment?(segment: number, rootBus: PlacedBus): IommuPlan
  /** @throws DmascopeError MACHINE_REFUSED where QEMU would not have this device behind it */
  checkDevice(placed: PlacedDevice): void
}
