export type { FeatureBits, VirtioDevice, VirtioHost } from './virtio-device.ts'
