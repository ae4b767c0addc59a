import type { Direction } from './dma-ops.ts'

/**
 * What keeps caches and memory at one for a device that the hardware does not keep coherent. Addresses are the CPU's,
 * through the cache.
 */
export interface Coherency {
  /** The device is about to have the memory: what it is to read is written back, and nothing may be written over it. */
  beforeDevice(cpu: number, length: number, direction: Direction): void
  /** The CPU is about to have it back: what it holds of it is out of date where the device wrote. */
  afterDevice(cpu: number, length: number, direction: Direction): void
  /** Where the CPU reaches the same memory past its cache: for memory that both use at once. */
  uncached(cpu: number, length: number): number
}

/** Memory that is closed to devices unless it is opened: encrypted, or a secure guest's own. Whole pages. */
export interface ClosedMemory {
  /** Opens pages, and clears them. False where the hypervisor does not. */
  open(cpu: number, length: number): boolean
  close(cpu: number, length: number): void
}

/** Writes of the CPU that are still on their way, where a device would look before they are there. */
export interface WriteBarrier {
  drain(): void
}
