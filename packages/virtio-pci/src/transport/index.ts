export type { OfferOptions } from '../offered-features.ts'
export { LEGACY_ONLY_FEATURES, offeredBits } from '../offered-features.ts'
export type { InterruptSink, QueueState, TransportOptions } from '../transport.ts'
export { VirtioTransport, withoutBadFeatures } from '../transport.ts'
