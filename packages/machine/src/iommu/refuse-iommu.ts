import { DmascopeError } from '@dmascope/layout'
import type { PlacedPlatformDevice } from '../build/placement.ts'

/** What QEMU refuses about an IOMMU, said with where it was written. */
export const refuseIommu = ({ description, model }: PlacedPlatformDevice, message: string): DmascopeError =>
  new DmascopeError('MACHINE_REFUSED', `${description.location.text}: ${message}`, { device: model.name })
