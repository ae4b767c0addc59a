import type { QueueFeatures } from '../device/queue.ts'
import type { DriverQueue } from './driver-queue.ts'
import { PackedDriverQueue } from './packed-driver-queue.ts'
import type { RingAddresses, RingMemory } from './ring-memory.ts'
import { SplitDriverQueue } from './split-driver-queue.ts'

/**
 * The driver's half of the kind of queue that was negotiated.
 *
 * @throws RangeError where the size is none that such a queue may have, or a part of it is misaligned
 */
export const createDriverQueue = <Token = number>(
  memory: RingMemory,
  addresses: RingAddresses,
  features: QueueFeatures,
): DriverQueue<Token> =>
  features.packed === true
    ? new PackedDriverQueue<Token>(memory, addresses, features)
    : new SplitDriverQueue<Token>(memory, addresses, features)
