import { type GuestProfile, isBefore } from '../../profile/guest-profile.ts'
import type { GroupOwnership, PciDevice } from '../contract.ts'
import type { DeviceRegion } from '../device-region.ts'
import { type GroupMover, ownershipOf } from '../group-ownership.ts'
import { MSI_REGION } from '../reserved-regions.ts'
import { directRegions } from './direct-regions.ts'
import type { DmarUnits } from './dmar-units.ts'

/** Groups behind VT-d, for VFIO. */
export function vtdOwnership(mover: GroupMover, dmar: DmarUnits, profile: GuestProfile): GroupOwnership {
  /** `intel_iommu_get_resv_regions`. */
  const regions = (device: PciDevice): readonly DeviceRegion[] => [
    ...directRegions(device, dmar.rmrrs, profile.configuration.isaIdentityMap).map(
      ({ start, end, relaxable, because }): DeviceRegion => ({
        start,
        end: end - 1,
        type: relaxable ? 'direct-relaxable' : 'direct',
        because,
      }),
    ),
    { start: MSI_REGION.start, end: MSI_REGION.end - 1, type: 'msi', because: MSI_REGION.because },
  ]
  return ownershipOf(mover, {
    regions,
    // Linux 6.1's driver turns such devices away itself, from the empty domain too that the claim of a group makes.
    ineligible(device) {
      if (!isBefore(profile, '6.12') || !regions(device).some(({ type }) => type === 'direct')) return null
      return 'DMAR: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.'
    },
  })
}
