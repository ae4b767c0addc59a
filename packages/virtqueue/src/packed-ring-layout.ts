import { PVIRTQ_DESC, PVIRTQ_EVENT_SUPPRESS } from './spec/packed-ring.ts'
import { VIRTQ_MAX_SIZE } from './spec/split-ring.ts'

/** A packed queue's size need be no power of two. @throws RangeError where `size` is not in [1, 32768] */
export function checkPackedQueueSize(size: number): void {
  if (!(Number.isInteger(size) && size >= 1 && size <= VIRTQ_MAX_SIZE)) {
    throw new RangeError(`a packed queue's size is in [1, ${VIRTQ_MAX_SIZE}], got ${size}`)
  }
}

/** Bytes of the descriptor ring. */
export const packedRingBytes = (size: number): number => PVIRTQ_DESC.size * size

/** Bytes of the driver area, and of the device area. */
export const PACKED_EVENT_BYTES = PVIRTQ_EVENT_SUPPRESS.size

/** Where the three parts of a packed queue lie in one piece of memory, in bytes from its start. */
export interface PackedRingLayout {
  readonly desc: number
  readonly driver: number
  readonly device: number
  readonly bytes: number
}

/**
 * The three parts one after the other. Nothing demands that: Linux takes a piece of memory for each.
 *
 * @throws RangeError where `size` is not in [1, 32768]
 */
export function packedRingLayout(size: number): PackedRingLayout {
  checkPackedQueueSize(size)
  const driver = packedRingBytes(size)
  const device = driver + PACKED_EVENT_BYTES
  return { desc: 0, driver, device, bytes: device + PACKED_EVENT_BYTES }
}
