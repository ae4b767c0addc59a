import type { PciDevice } from '../contract.ts'
import { type DeviceRegion, type GroupOwnership, ownershipOf } from '../group-ownership.ts'
import { MSI_REGION, type ReservedRegion } from '../reserved-regions.ts'
import { type AmdTranslation, HT_REGION } from './amd-translation.ts'

const without = ({ start, end, because }: ReservedRegion, type: DeviceRegion['type']): DeviceRegion => ({
  start,
  end: end - 1,
  type,
  because,
})

/** Groups behind AMD-Vi, for VFIO. */
export const amdOwnership = (translation: AmdTranslation): GroupOwnership =>
  ownershipOf(translation, {
    /** `amd_iommu_get_resv_regions`. */
    regions: (device: PciDevice): readonly DeviceRegion[] => [
      ...translation.directRegions(device).map(
        ({ start, end, excluded }): DeviceRegion => ({
          start,
          end: end - 1,
          type: excluded ? 'reserved' : 'direct',
          because: excluded ? 'an IVMD excludes it from translation' : 'an IVMD wants it mapped onto itself',
        }),
      ),
      without(MSI_REGION, 'msi'),
      without(HT_REGION, 'reserved'),
    ],
  })
