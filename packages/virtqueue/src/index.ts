export { needEvent, needPackedEvent } from './need-event.ts'
export type { PackedRingLayout } from './packed-ring-layout.ts'
export {
  checkPackedQueueSize,
  PACKED_EVENT_BYTES,
  packedRingBytes,
  packedRingLayout,
} from './packed-ring-layout.ts'
export type { SplitRingLayout } from './split-ring-layout.ts'
export {
  availableRingBytes,
  checkQueueSize,
  descriptorTableBytes,
  splitRingBytes,
  splitRingLayout,
  usedRingBytes,
} from './split-ring-layout.ts'
