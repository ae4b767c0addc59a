import type { CpuBus } from '@dmascope/memory'

/** What the driver half uses of the CPU's bus. */
export type RingMemory = Pick<CpuBus, 'read16' | 'read32' | 'write16' | 'write32'>

/** Memory of a machine that there is not. */
export const NO_MEMORY: RingMemory = { read16: () => 0xffff, read32: () => 0xffff_ffff, write16() {}, write32() {} }

/** Where a driver's ring lies: guest-physical addresses as the CPU uses them, Numbers below 2^53. */
export interface RingAddresses {
  /** Entries, at most 32768; of a split queue a power of two. */
  readonly size: number
  /** Descriptor table, or ring. */
  readonly desc: number
  /** Available ring, or the driver's event suppression structure: what the driver writes. */
  readonly driver: number
  /** Used ring, or the device's event suppression structure: what the device writes. */
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
