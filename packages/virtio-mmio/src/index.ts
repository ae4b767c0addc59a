export { emptyTransport } from './empty-transport.ts'
export type { VirtioMmioOptions } from './virtio-mmio-device.ts'
export { VirtioMmioDevice } from './virtio-mmio-device.ts'
