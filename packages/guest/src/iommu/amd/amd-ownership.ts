import type { GroupOwnership, PciDevice } from '../contract.ts'
import type { DeviceRegion } from '../device-region.ts'
import { ownershipOf } from '../group-ownership.ts'
import { MSI_REGION, type ReservedRegion } from '../reserved-regions.ts'
import { type AmdTranslation, HT_REGION } from './amd-translation.ts'

const asRegion = ({ start, end, because }: Omit<ReservedRegion, 'kind'>, type: DeviceRegion['type']): DeviceRegion => ({
  start,
  end: end - 1,
  type,
  because,
})

/** Groups behind AMD-Vi, for VFIO. Linux says of its domains that they have no end (`amd_iommu_domain_alloc`). */
export const amdOwnership = (translation: AmdTranslation): GroupOwnership => ({
  ...ownershipOf(translation, {
    /** `amd_iommu_get_resv_regions`. Exclusion ranges are unity maps by then. */
    regions: (device: PciDevice): readonly DeviceRegion[] => [
      asRegion(MSI_REGION, 'msi'),
      ...translation
        .directRegions(device)
        .map(({ start, end }) => asRegion({ start, end, because: 'an IVMD names it' }, 'direct')),
      asRegion(HT_REGION, 'reserved'),
    ],
  }),
  geometryEnd: Number.MAX_SAFE_INTEGER + 1,
})
