import { amdviOptionsFor, capabilityBlockOf } from '@dmascope/iommu/amdvi'
import { AMD_IOMMU_DEVICE_ID, AmdIommuFunction } from './amd-function.ts'
import { AMDVI_BASE } from './ivrs-table.ts'

/** A function that no IOMMU took for its own: `-device AMDVI-PCI` alone. */
export const idleAmdFunction = (multifunction: boolean): AmdIommuFunction =>
  new AmdIommuFunction({
    deviceId: AMD_IOMMU_DEVICE_ID,
    multifunction,
    capability: capabilityBlockOf(amdviOptionsFor('11.1'), AMDVI_BASE),
  })
