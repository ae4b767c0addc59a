import type { PlacedDevice } from './placed-bus.ts'

/**
 * QEMU's `virtio_bus_device_plugged`: a virtio device without `iommu_platform` gets system memory as its DMA address
 * space, whatever the bus; every other device gets the bus's.
 */
export function wiredBehindIommu({ model, properties }: PlacedDevice): boolean {
  if (model.kind === 'probe') return properties.bypass !== true
  return model.virtio === null || properties.iommu_platform === true
}
