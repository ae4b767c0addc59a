/** What a DMA wants to do at an address: bit 0 read, bit 1 write, as in a page-table entry's R and W. */
export type Access = 1 | 2 | 3
export const ACCESS_READ = 1
export const ACCESS_WRITE = 2
export const ACCESS_READ_WRITE = 3

/**
 * How a DMA ended. 0 is success, so that a hot path tests one number.
 *
 * - `DMA_FAULT`: the IOMMU refused it and recorded a fault; reads deliver nothing
 * - `DMA_DECODE_ERROR`: the address leads to no memory and no device; reads deliver all ones
 * - `DMA_DISABLED`: the function's Bus Master Enable is clear; nothing was issued
 * - `DMA_PENDING`: remote memory; the port runs the work again when the answer is there
 */
export type DmaResult = 0 | 1 | 2 | 3 | 4
export const DMA_OK = 0
export const DMA_FAULT = 1
export const DMA_DECODE_ERROR = 2
export const DMA_DISABLED = 3
export const DMA_PENDING = 4

/**
 * A device's only way to memory: to an address space (RAM, peer BARs, MSI doorbells), not to RAM.
 *
 * Bus addresses are unsigned (hi, lo) pairs of 32 bits. A transfer may cross pages; one that fails midway has moved
 * what came before.
 */
export interface DmaPort {
  /** Copies from bus address into `into`, which the caller owns. */
  read(hi: number, lo: number, into: Uint8Array, pasid?: number): DmaResult
  /** Copies `from` to the bus address. */
  write(hi: number, lo: number, from: Uint8Array, pasid?: number): DmaResult
  /**
   * A window straight onto RAM for a structure that is used again and again, such as a ring. Null where there is no
   * such window: not RAM, not contiguous, not allowed, not granted to this device, remote, cached or encrypted. Then
   * use `read` and `write`, which tell why.
   */
  view(hi: number, lo: number, length: number, access: Access): RingView | null
  /** Whether a view may still be used. Ask once per batch of work: an invalidation ends a view. */
  isCurrent(view: RingView): boolean
  /** Tells the ledger what a view hides from it: accesses and bytes since the last call. Once per batch. */
  account(view: RingView, reads: number, writes: number, bytes: number): void
}

/** A window onto RAM, owned by the port. `data` starts at the address that was asked for. */
export interface RingView {
  readonly data: DataView
  /** The same bytes, for bulk copies. */
  readonly bytes: Uint8Array
  readonly epoch: number
}

/** A device's way to raise interrupts. A message is a DMA write, and so subject to interrupt remapping. */
export interface InterruptPort {
  msi(hi: number, lo: number, data: number): DmaResult
  /** Drives the function's interrupt pin; level-triggered. */
  intx(level: boolean): void
}
