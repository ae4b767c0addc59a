import type { Access } from './dma-port.ts'

/** What a DMA is for; the ledger keeps these apart. `assigned`: the device is a user's program's. */
export type DmaPhase = 'firmware' | 'probe' | 'self-test' | 'assigned'

/**
 * How the guest's allocator tells the ledger which memory it has given to which device. The ledger tells it nothing
 * back: it is an observer's aid, not a part of the machine.
 */
export interface DmaWitness {
  /**
   * `owner`'s device may now access guest-physical [address, address + length). Answers a handle for `revoke`.
   *
   * @param owner - the device's address as the guest writes it, e.g. `0000:00:03.0`; of one that is on no bus,
   *   `platformOwner` of where its registers are
   * @param purpose - what lies there, for the report, e.g. `virtqueue 0` or `blk read buffer`
   */
  grant(owner: string, address: number, length: number, access: Access, purpose: string): number
  revoke(grant: number): void
  /** From now on, `owner`'s DMA is counted as of this phase. */
  phase(owner: string, phase: DmaPhase): void
}
