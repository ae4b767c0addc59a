export type { VirtioPciOptions } from './options.ts'
export type { FeatureBits, VirtioDevice, VirtioHost } from './virtio-device.ts'
export { VirtioPciFunction } from './virtio-pci-function.ts'
