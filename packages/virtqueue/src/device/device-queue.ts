import type { DmaResult } from '@dmascope/memory'

/**
 * The device's half of a virtqueue, split or packed: a device does not know which.
 *
 * Nothing that the driver wrote is believed. What cannot be gone on from (a link out of range, a loop, a zero-length
 * buffer, ...) makes the queue `broken`; from then on it touches no memory. A ring that cannot be read, because the
 * IOMMU refuses it, say, reads as zeros, and so is mostly an empty one.
 *
 * A device's work is: `disableNotifications`, `next` until it answers false, for each chain `read`, `write`, `complete`,
 * then `shouldInterrupt` once; `enableNotifications`, and all over again where that answered true.
 */
export interface DeviceQueue {
  readonly size: number
  /** Names the chain that `next` took until it is completed: below `size`. In a split ring, its first descriptor. */
  readonly head: number
  /** Descriptors in the chain, those of its indirect table in place of the one that refers to it. */
  readonly count: number
  /** The first so many are device-readable, the rest device-writable. */
  readonly readableCount: number
  readonly readableBytes: number
  readonly writableBytes: number
  /** Bus addresses and lengths of the chain's buffers, in [0, count). Owned by the queue, good until the next `next`. */
  readonly hi: Uint32Array
  readonly lo: Uint32Array
  readonly length: Uint32Array
  /** Chains taken and not yet completed. */
  readonly inFlight: number
  /** Why the queue cannot go on, for DEVICE_NEEDS_RESET (virtio 1.3 §2.1.1); null while it can. */
  readonly broken: string | null
  /** How the last ring access without a view ended: tells a ring that cannot be reached from an empty one. */
  readonly ringResult: DmaResult

  /**
   * Takes the next available chain. False: there is none, or the queue is broken, or memory cannot be asked just now
   * (bus mastering off, remote memory).
   */
  next(): boolean

  /**
   * Copies `into.length` bytes of the chain's readable buffers, from byte `offset` of them on. Ends with the first DMA
   * that fails.
   *
   * @throws RangeError beyond `readableBytes`
   */
  read(offset: number, into: Uint8Array): DmaResult

  /**
   * Copies `from` to the chain's writable buffers, from byte `offset` of them on. Ends with the first DMA that fails.
   *
   * @throws RangeError beyond `writableBytes`
   */
  write(offset: number, from: Uint8Array): DmaResult

  /**
   * Gives a chain back to the driver.
   *
   * @param written - bytes written to its writable buffers, from the first on
   * @param head - of the chain; by default the one that `next` took last
   * @throws RangeError where no chain is in flight, or `head` names none
   */
  complete(written: number, head?: number): void

  /** Whether the driver wants an interrupt for what was completed since the last call. Ends the batch. */
  shouldInterrupt(): boolean

  /** Tells the driver that the device looks by itself: called when a notification is taken up. A hint. */
  disableNotifications(): void

  /**
   * Asks the driver to notify of the next chain, also where the queue is empty.
   *
   * @returns true where chains were made available in the meantime, for which no notification will come: go on
   */
  enableNotifications(): boolean

  /**
   * Tells the ledger what was read and written since it was last told. `next` does so where it finds nothing, and
   * `shouldInterrupt`; a device that ends its work otherwise calls it.
   */
  flush(): void
}
