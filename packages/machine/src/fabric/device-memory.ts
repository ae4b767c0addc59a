/** RAM as devices find it, where that is not as the processor does. Addresses are physical. */
export interface DeviceMemory {
  /** Whether all of it is as the processor sees it. */
  isOpen(address: number, length: number): boolean
  /** Fills `into`; answers how many bytes came before RAM ended. */
  readBytes(address: number, into: Uint8Array): number
  /** Answers how many bytes went before RAM ended. */
  writeBytes(address: number, from: Uint8Array): number
}
