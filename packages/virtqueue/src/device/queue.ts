/** Where a queue lies, as the transport's registers say. Bus addresses of the device, as (hi, lo) pairs. */
export interface QueueAddresses {
  /** Entries: a power of two, at most 32768. */
  readonly size: number
  readonly descHi: number
  readonly descLo: number
  readonly driverHi: number
  readonly driverLo: number
  readonly deviceHi: number
  readonly deviceLo: number
}

/** Negotiated features that change the ring. */
export interface RingFeatures {
  readonly indirect: boolean
  readonly eventIndex: boolean
}
