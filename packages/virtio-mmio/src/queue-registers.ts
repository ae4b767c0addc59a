/** The registers by which a driver places queues, in which the two versions of the block differ. */
export interface QueueRegisters {
  /** @param queue - QueueSel; there need be no such queue */
  read(queue: number, offset: number): number
  write(queue: number, offset: number, value: number): void
  /** GuestPageSize, which only the legacy block has. */
  setPageSize(bytes: number): void
}
