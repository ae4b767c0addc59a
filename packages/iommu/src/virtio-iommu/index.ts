export { FAULTS, type FaultCause } from './faults.ts'
export type {
  ReservedRegion,
  SeenFault,
  VirtioIommuFeatures,
  VirtioIommuOptions,
  VirtioIommuWiring,
} from './options.ts'
export { virtioIommuOptionsFor } from './qemu.ts'
export { VirtioIommuUnit } from './virtio-iommu-unit.ts'
