import type { DmaMapping } from '@dmascope/dma'

/** How one command went: as Linux's callers of `ccw_io_helper` tell it. */
export type CommandOutcome = 'done' | 'rejected' | 'failed' | 'never ended'

/** Who takes the interruptions of a subchannel. */
export interface InterruptionTaker {
  /** Is called for each of them, after the status was taken. */
  interrupted(): void
}

/** A subchannel as a driver uses it. */
export interface ChannelSite {
  /** Memory below 2 GiB, open to the device where memory is closed: for commands, their data, and indicators. */
  readonly area: DmaMapping
  /** Number of virtio's device type. */
  readonly cuModel: number
  /** Null until a driver has set itself up. */
  taker: InterruptionTaker | null
  /**
   * Carries out one command, and waits for its end.
   *
   * @param data - offset of its data in the area
   */
  command(code: number, data: number, count: number, options?: { readonly anyLength?: boolean }): CommandOutcome
  /** The doorbell of a queue. */
  notify(queue: number): void
  readonly adapters: AdapterBits
}

/** Indicators that devices share, and whose interruption is an adapter's. */
export interface AdapterBits {
  /**
   * Bits in a row, one a queue, for a device.
   *
   * @param owner - the device, as the witness knows it
   * @param handlers - what to call when a bit is found set
   * @returns null where there are no more
   */
  allocate(owner: string, handlers: readonly (() => void)[]): AdapterArea | null
}

export interface AdapterArea {
  /** Absolute addresses of the area and of the summary. */
  readonly indicators: number
  readonly summary: number
  readonly firstBit: number
  readonly isc: number
}
