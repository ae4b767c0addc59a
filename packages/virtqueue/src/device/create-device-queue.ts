import type { DmaPort } from '@dmascope/memory'
import type { DeviceQueue } from './device-queue.ts'
import { PackedDeviceQueue } from './packed-device-queue.ts'
import type { QueueAddresses, QueueFeatures } from './queue.ts'
import { SplitDeviceQueue } from './split-device-queue.ts'

/**
 * The device's half of the kind of queue that was negotiated.
 *
 * @throws RangeError where the size is none that such a queue may have
 */
export const createDeviceQueue = (port: DmaPort, addresses: QueueAddresses, features: QueueFeatures): DeviceQueue =>
  features.packed === true
    ? new PackedDeviceQueue(port, addresses, features)
    : new SplitDeviceQueue(port, addresses, features)
