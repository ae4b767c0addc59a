/** Memory that firmware keeps for good, given out from the top downwards, as SeaBIOS does. */
export class Zone {
  readonly #floor: number
  #next: number

  /** [floor, top), guest-physical. */
  constructor(floor: number, top: number) {
    this.#floor = floor
    this.#next = top
  }

  /** Lowest byte given out so far, or the top. */
  get lowest(): number {
    return this.#next
  }

  /**
   * The address of `size` bytes.
   *
   * @param align - a power of two
   * @returns -1 where there is no room
   */
  allocate(size: number, align: number): number {
    const address = Math.floor((this.#next - size) / align) * align
    if (!(address >= this.#floor)) return -1
    this.#next = address
    return address
  }
}
