export { needEvent } from './need-event.ts'
export type { SplitRingLayout } from './split-ring-layout.ts'
export {
  availableRingBytes,
  checkQueueSize,
  descriptorTableBytes,
  splitRingBytes,
  splitRingLayout,
  usedRingBytes,
} from './split-ring-layout.ts'
