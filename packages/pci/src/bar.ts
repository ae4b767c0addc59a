/** What a Base Address Register asks for. */
export interface BarOptions {
  /** Register number: 0 to 5, or 0 and 1 in a bridge. A `memory64` BAR takes the next register too. */
  readonly bar: number
  readonly kind: 'memory32' | 'memory64' | 'io'
  /** Bytes, a power of two: at least 16 for memory, 4 for I/O. */
  readonly size: number
  readonly prefetchable?: boolean
}

/** The number under which the expansion ROM goes among a function's BARs. */
export const ROM_BAR = 6

/** A Base Address Register as it stands. */
export interface Bar {
  /** Register number; `ROM_BAR` for the expansion ROM. */
  readonly bar: number
  readonly space: 'memory' | 'io'
  readonly is64: boolean
  readonly prefetchable: boolean
  readonly size: number
  /** Offset of the register in configuration space. */
  readonly offset: number
  /** What it decodes now; null where decoding is off, or no address that could be decoded is assigned. */
  readonly address: number | null
}

/** @throws RangeError naming what does not fit */
export function checkBar(options: BarOptions, registersInHeader: number): void {
  const { bar, kind, size } = options
  const last = kind === 'memory64' ? bar + 1 : bar
  if (!Number.isInteger(bar) || bar < 0 || last >= registersInHeader) {
    throw new RangeError(`BAR ${bar} (${kind}) does not fit: this header has BARs 0 to ${registersInHeader - 1}`)
  }
  const least = kind === 'io' ? 4 : 16
  const most = kind === 'memory64' ? 2 ** 52 : 2 ** 31
  if (!isPowerOfTwo(size) || size < least || size > most) {
    throw new RangeError(`BAR ${bar} (${kind}) has size ${size}: a power of two from ${least} to ${most} is needed`)
  }
}

const isPowerOfTwo = (size: number): boolean =>
  Number.isSafeInteger(size) && size > 0 && Number.isInteger(Math.log2(size))
