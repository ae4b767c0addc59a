/**
 * A recording of the CPU seam: every access of a guest with what it got, in order. Plain data that JSON can hold.
 *
 * - `['r', width, address, value]`, `['w', width, address, value]`: width in bytes
 * - `['R', address, hex]`: bytes read
 * - `['W', address, length, checksum]`: bytes written, by their checksum
 * - `['i', width, port, value]`, `['o', width, port, value]`: port I/O
 * - `['s', register, value]`, `['S', register, value]`: a system register read, written
 * - `['h', number, arguments, code, answers]`: a hypervisor call; arguments and answers are words
 * - `['k', 'clean' | 'invalidate', address, length]`: maintenance of a cache
 * - `['c', leaf, subleaf, answers]`: CPUID; answers are four words
 * - `['p', page, 0 | 1, code]`: a page made private, or shared
 * - `['v', vector]`: an interrupt, or -1
 * - `['z', 0 | 1]`: idle
 */
export type CpuOperation =
  | readonly ['r' | 'w', 1 | 2 | 4, number, number]
  | readonly ['R', number, string]
  | readonly ['W', number, number, number]
  | readonly ['i' | 'o', 1 | 2 | 4, number, number]
  | readonly ['s' | 'S', number, number]
  | readonly ['h', number, readonly number[], number, readonly number[]]
  | readonly ['k', 'clean' | 'invalidate', number, number]
  | readonly ['c', number, number, readonly number[]]
  | readonly ['p', number, 0 | 1, number]
  | readonly ['v', number]
  | readonly ['z', 0 | 1]

export interface CpuTrace {
  readonly version: 1
  /** Whether the machine had port I/O. */
  readonly ports: boolean
  /** Whether the processor had system registers with a bearing on devices; absent is no. */
  readonly systemRegisters?: boolean
  /** Whether a hypervisor was there; absent is no. */
  readonly hypercalls?: boolean
  /** Whether the processor answered CPUID, and let pages be shared; absent is no. */
  readonly cpuid?: boolean
  readonly pageStates?: boolean
  /** Bytes of a line of the cache that software maintains; absent where it needs none. */
  readonly cacheLineBytes?: number
  /** How much higher RAM is reached past caches and buffers; absent where nothing is in between. */
  readonly uncachedOffset?: number
  readonly operations: readonly CpuOperation[]
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function bytesToHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}

/** Fills `into` from hex; what the text does not reach becomes zero. */
export function hexToBytes(text: string, into: Uint8Array): void {
  for (let index = 0; index < into.length; index++) {
    const byte = Number.parseInt(text.slice(index * 2, index * 2 + 2), 16)
    into[index] = Number.isNaN(byte) ? 0 : byte
  }
}
