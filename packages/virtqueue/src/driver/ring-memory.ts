import type { CpuBus } from '@dmascope/memory'

/** What the driver half uses of the CPU's bus. */
export type RingMemory = Pick<CpuBus, 'read16' | 'read32' | 'write16' | 'write32'>

/** Where a driver's ring lies: guest-physical addresses as the CPU uses them, Numbers below 2^53. */
export interface RingAddresses {
  /** Entries: a power of two, at most 32768. */
  readonly size: number
  /** Descriptor table. */
  readonly desc: number
  /** Available ring, which the driver writes. */
  readonly driver: number
  /** Used ring, which the device writes. */
  readonly device: number
}

/** Memory for an indirect table: where the CPU writes it and where the device finds it. 16-byte aligned. */
export interface IndirectTable {
  /** Guest-physical address. */
  readonly cpu: number
  /** Bus address. */
  readonly hi: number
  readonly lo: number
  /** Descriptors that fit in. */
  readonly capacity: number
}
