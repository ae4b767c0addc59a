import type { DeviceContent } from '../file/schema.ts'

/** A virtio device that asks the guest for the platform's DMA addresses: QEMU wants it to be a modern one. */
export const translated = { iommu_platform: true, 'disable-legacy': 'on' } as const

/** The devices of the default machine: two kinds of each question, side by side. */
export const defaultDevices: readonly DeviceContent[] = [
  { model: 'virtio-blk-pci', id: 'blk0', addr: '02.0', ...translated },
  { model: 'virtio-blk-pci', id: 'blk1', addr: '03.0' },
  { model: 'virtio-net-pci', id: 'net0', addr: '04.0', mac: '52:54:00:12:34:00', ...translated },
  { model: 'virtio-rng-pci', id: 'rng0', addr: '05.0' },
  { model: 'e1000e', id: 'net1', addr: '06.0', mac: '52:54:00:12:34:01' },
]
