/**
 * What answers loads and stores in a range of addresses: a device's registers. Offsets count from the range's start;
 * values are unsigned. Accesses of 8 bytes arrive as two of 4, the lower first.
 */
export interface MmioHandler {
  read(offset: number, width: 1 | 2 | 4): number
  write(offset: number, width: 1 | 2 | 4, value: number): void
}

/** What answers port I/O in a range of ports. Offsets count from the range's start. */
export type PortHandler = MmioHandler
