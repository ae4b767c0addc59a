import { DMA_DISABLED, type DmaPort } from '@dmascope/memory'
import type { QueueAddresses } from './queue.ts'

/** A port of a function that is plugged into nothing. */
export const NO_PORT: DmaPort = {
  read: () => DMA_DISABLED,
  write: () => DMA_DISABLED,
  view: () => null,
  isCurrent: () => false,
  account() {},
}

/** A queue of one entry. */
export const SMALLEST: QueueAddresses = {
  size: 1,
  descHi: 0,
  descLo: 0,
  driverHi: 0,
  driverLo: 0,
  deviceHi: 0,
  deviceLo: 0,
}
