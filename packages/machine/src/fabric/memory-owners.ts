/**
 * Whose memory is whose, where a hypervisor has dealt it out. For those who watch: neither devices nor software are told
 * anything by it.
 */
export interface MemoryOwners {
  /** In words, for reports; null where there is no RAM. */
  ownerOf(address: number): string | null
  /** A device is about to access memory that it was not given. What lies there is in place afterwards. */
  touch(address: number, length: number): void
}
