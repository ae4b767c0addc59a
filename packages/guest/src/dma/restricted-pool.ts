/** The only memory that firmware lets a device's DMA go to. */
export interface RestrictedPool {
  readonly base: number
  readonly size: number
  /** Where firmware says so: the device's node, and the pool's. */
  readonly by: string
}
