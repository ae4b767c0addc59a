import type { PlacedDevice } from './placed-bus.ts'

/**
 * Whether a device's DMA goes the way of its bus, through the IOMMU or the windows that stand there. QEMU's
 * `virtio_bus_device_plugged`: a virtio device without `iommu_platform` gets system memory as its DMA address space,
 * whatever the bus; every other device gets the bus's.
 */
export function wiredBehindIommu({ model, properties, virtio, hypervisor }: PlacedDevice): boolean {
  if (model.kind === 'probe') return properties.bypass !== true
  if (model.kind === 'vfio') return hypervisor.assignedDma === 'platform'
  return virtio === null || virtio.throughPlatform
}
