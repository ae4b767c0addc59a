import { VIRTQ_AVAIL, VIRTQ_DESC, VIRTQ_MAX_SIZE, VIRTQ_USED, VIRTQ_USED_ELEM } from './spec/split-ring.ts'

const EVENT_BYTES = 2
const HEAD_BYTES = 2

/** @throws RangeError where `size` is no power of two in [1, 32768] */
export function checkQueueSize(size: number): void {
  if (!(Number.isInteger(size) && size >= 1 && size <= VIRTQ_MAX_SIZE && (size & (size - 1)) === 0)) {
    throw new RangeError(`a queue's size is a power of two in [1, ${VIRTQ_MAX_SIZE}], got ${size}`)
  }
}

/** Bytes of the descriptor table. */
export const descriptorTableBytes = (size: number): number => VIRTQ_DESC.size * size

/** Bytes of the driver area (the available ring); `used_event` counts where the event index was negotiated. */
export const availableRingBytes = (size: number, eventIndex = true): number =>
  VIRTQ_AVAIL.size + HEAD_BYTES * size + (eventIndex ? EVENT_BYTES : 0)

/** Bytes of the device area (the used ring); `avail_event` counts where the event index was negotiated. */
export const usedRingBytes = (size: number, eventIndex = true): number =>
  VIRTQ_USED.size + VIRTQ_USED_ELEM.size * size + (eventIndex ? EVENT_BYTES : 0)

/** Where the three parts lie in one piece of memory, in bytes from its start. */
export interface SplitRingLayout {
  readonly desc: number
  readonly driver: number
  readonly device: number
  readonly bytes: number
}

/**
 * The three parts in one piece of memory, as the legacy interface demands and Linux does for every split queue: the
 * used ring starts at the next multiple of `align` (virtio 1.3 §2.7.2).
 *
 * @param align - a power of two; 4096 for virtio over PCI
 * @throws RangeError where `size` or `align` is not a power of two that is allowed
 */
export function splitRingLayout(size: number, align = 4096): SplitRingLayout {
  checkQueueSize(size)
  if (!(Number.isInteger(align) && align >= 4 && (align & (align - 1)) === 0)) {
    throw new RangeError(`the used ring's alignment is a power of two of at least 4, got ${align}`)
  }
  const driver = descriptorTableBytes(size)
  const device = Math.ceil((driver + availableRingBytes(size)) / align) * align
  return { desc: 0, driver, device, bytes: device + usedRingBytes(size) }
}

/** Bytes of a whole split ring in one piece, see `splitRingLayout`. */
export const splitRingBytes = (size: number, align = 4096): number => splitRingLayout(size, align).bytes
