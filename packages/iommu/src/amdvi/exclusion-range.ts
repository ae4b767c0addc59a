/** The exclusion range: addresses that pass without translation and without a look at permissions. */
export class ExclusionRange {
  enabled = false
  #forAll = false
  #first = 0
  #end = 0

  /**
   * The registers, as they are now.
   *
   * @param forAll - Allow: for every device, not only for those whose entry has EX
   * @param first - a multiple of 4 KiB, as is `end`, which is past the last byte
   */
  set(enabled: boolean, forAll: boolean, first: number, end: number): void {
    this.enabled = enabled
    this.#forAll = forAll
    this.#first = first
    this.#end = end
  }

  /** Whether the address of a device passes; `excludable` is its entry's EX. */
  covers(excludable: boolean, hi: number, lo: number): boolean {
    if (!this.enabled || !(this.#forAll || excludable)) return false
    const address = (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0)
    return address >= this.#first && address < this.#end
  }
}
