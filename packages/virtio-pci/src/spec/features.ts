/** Feature bits of ring and transport, by number (virtio 1.3 §6); those below 24 are the device type's own. */
export const VIRTIO_F_NOTIFY_ON_EMPTY = 24
export const VIRTIO_F_ANY_LAYOUT = 27
export const VIRTIO_F_INDIRECT_DESC = 28
export const VIRTIO_F_EVENT_IDX = 29
/** Offered by no device in earnest: a driver that accepts it acknowledges whatever it reads. */
export const VIRTIO_F_UNUSED = 30
export const VIRTIO_F_VERSION_1 = 32
/** The device reaches memory as the platform says, perhaps translated; without it, by physical addresses. */
export const VIRTIO_F_ACCESS_PLATFORM = 33
export const VIRTIO_F_RING_PACKED = 34
export const VIRTIO_F_IN_ORDER = 35
export const VIRTIO_F_ORDER_PLATFORM = 36
export const VIRTIO_F_SR_IOV = 37
export const VIRTIO_F_NOTIFICATION_DATA = 38
export const VIRTIO_F_NOTIF_CONFIG_DATA = 39
export const VIRTIO_F_RING_RESET = 40

/**
 * What Hellwig's proposal of 2018 would have called VIRTIO_F_PLATFORM_DMA, had bit 33 had to keep its meaning: bus
 * addresses as the platform makes them. No specification has it; the number is one that is reserved.
 */
export const VIRTIO_F_PLATFORM_DMA = 42

/** 64 feature bits as two unsigned words: bit 33 is bit 1 of `hi`. */
export interface FeatureBits {
  readonly lo: number
  readonly hi: number
}

export const NO_FEATURES: FeatureBits = { lo: 0, hi: 0 }

/** The set of the features with these numbers. @throws RangeError outside [0, 64) */
export function featureBits(...numbers: readonly number[]): FeatureBits {
  let lo = 0
  let hi = 0
  for (const number of numbers) {
    if (!(Number.isInteger(number) && number >= 0 && number < 64)) throw new RangeError(`feature ${number}: 0 to 63`)
    if (number < 32) lo |= 1 << number
    else hi |= 1 << (number - 32)
  }
  return { lo: lo >>> 0, hi: hi >>> 0 }
}

export const hasFeature = (set: FeatureBits, number: number): boolean =>
  (((number < 32 ? set.lo : set.hi) >>> (number & 31)) & 1) === 1

/** In both. */
export const intersectFeatures = (a: FeatureBits, b: FeatureBits): FeatureBits => ({
  lo: (a.lo & b.lo) >>> 0,
  hi: (a.hi & b.hi) >>> 0,
})

/** In either. */
export const uniteFeatures = (a: FeatureBits, b: FeatureBits): FeatureBits => ({
  lo: (a.lo | b.lo) >>> 0,
  hi: (a.hi | b.hi) >>> 0,
})

/** In `a`, not in `b`. */
export const withoutFeatures = (a: FeatureBits, b: FeatureBits): FeatureBits => ({
  lo: (a.lo & ~b.lo) >>> 0,
  hi: (a.hi & ~b.hi) >>> 0,
})

/** The numbers of the features in the set, ascending. */
export function featureNumbers(set: FeatureBits): number[] {
  const numbers: number[] = []
  for (let number = 0; number < 64; number++) if (hasFeature(set, number)) numbers.push(number)
  return numbers
}
