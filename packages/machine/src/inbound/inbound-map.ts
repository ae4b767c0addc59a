/** How the buses between a device and memory see memory. */
export interface InboundMap {
  /** The address above of [bus, bus + length); -1 where that is not in one piece anywhere. */
  memoryOf(bus: number, length: number): number
  /** Grows when software moves what it maps; left out where it cannot. */
  readonly revision?: number
}
