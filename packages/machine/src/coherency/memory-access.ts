/** One party's way to RAM: addresses are guest-physical, and all of a range is RAM. */
export interface MemoryAccess {
  /** Fills `into`, which the caller owns. */
  readBytes(address: number, into: Uint8Array): void
  writeBytes(address: number, from: Uint8Array): void
}
