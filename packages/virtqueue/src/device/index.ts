export { DeviceQueue } from './device-queue.ts'
export { createFlatPort } from './flat-port.ts'
export type { QueueAddresses, RingFeatures } from './queue.ts'
