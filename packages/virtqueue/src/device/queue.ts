/** Where a queue lies, as the transport's registers say. Bus addresses of the device, as (hi, lo) pairs. */
export interface QueueAddresses {
  /** Entries, at most 32768; of a split queue a power of two. */
  readonly size: number
  /** Descriptor table, or ring. */
  readonly descHi: number
  readonly descLo: number
  /** Available ring, or the driver's event suppression structure. */
  readonly driverHi: number
  readonly driverLo: number
  /** Used ring, or the device's event suppression structure. */
  readonly deviceHi: number
  readonly deviceLo: number
}

/** Negotiated features that change the ring. */
export interface RingFeatures {
  readonly indirect: boolean
  readonly eventIndex: boolean
}

/** The same, with the feature that chooses the kind of ring. Default: split. */
export interface QueueFeatures extends RingFeatures {
  readonly packed?: boolean
}
