import type { GuestRam } from '@dmascope/memory'
import type { RefusedAccess } from '../access-faults.ts'

/** What one host bridge's windows can be. */
export interface TceFeatures {
  /** LIOBN of the default window, then of the dynamic one. Unique in a machine. */
  readonly liobns: readonly [number, number]
  /** Bus address of the default window, a multiple of 4 KiB below 2^53. */
  readonly defaultWindowBase: number
  /** Bytes of the default window, which has pages of 4 KiB. */
  readonly defaultWindowSize: number
  /** Upper half of the dynamic window's bus address; the lower is 0. */
  readonly dynamicWindowHi: number
  /** Dynamic DMA windows are offered. */
  readonly dynamicWindows: boolean
  /** log2 of the page sizes that a dynamic window may have; 12 to 34. */
  readonly pageShifts: readonly number[]
}

/** A fault, for an observer: `reason` is `TCE_FAULTS[...].value`, or `UNSUPPORTED_REQUEST`. */
export type SeenFault = RefusedAccess

/** A host bridge's windows, and who is told of what they refuse. */
export interface TceOptions extends Partial<TceFeatures> {
  readonly onFault?: (fault: SeenFault) => void
}

/** What hypervisor calls need of the machine: H_PUT_TCE_INDIRECT reads its list from memory. */
export interface TceMemory {
  readonly ram: GuestRam
}

/** The first host bridge of a pseries machine. */
const DEFAULT_FEATURES: TceFeatures = {
  liobns: [0x8000_0000, 0x8000_0001],
  defaultWindowBase: 0,
  defaultWindowSize: 0x4000_0000,
  dynamicWindowHi: 0x0800_0000,
  dynamicWindows: true,
  pageShifts: [12, 16, 21, 24],
}

/** Puts the defaults in. @throws RangeError where a feature is one that no bridge has */
export function completeFeatures(options: Partial<TceFeatures>): TceFeatures {
  const features: TceFeatures = {
    liobns: options.liobns ?? DEFAULT_FEATURES.liobns,
    defaultWindowBase: options.defaultWindowBase ?? DEFAULT_FEATURES.defaultWindowBase,
    defaultWindowSize: options.defaultWindowSize ?? DEFAULT_FEATURES.defaultWindowSize,
    dynamicWindowHi: options.dynamicWindowHi ?? DEFAULT_FEATURES.dynamicWindowHi,
    dynamicWindows: options.dynamicWindows ?? DEFAULT_FEATURES.dynamicWindows,
    pageShifts: options.pageShifts ?? DEFAULT_FEATURES.pageShifts,
  }
  for (const liobn of features.liobns) {
    if (!(Number.isInteger(liobn) && liobn > 0 && liobn <= 0xffff_ffff)) {
      throw new RangeError(`a LIOBN is an integer from 1 to 0xffffffff, got ${liobn}`)
    }
  }
  if (features.liobns[0] === features.liobns[1]) throw new RangeError('both windows have the same LIOBN')
  for (const name of ['defaultWindowBase', 'defaultWindowSize'] as const) {
    const value = features[name]
    if (!(Number.isSafeInteger(value) && value >= 0 && value % 4096 === 0)) {
      throw new RangeError(`${name} is a multiple of 4096 below 2^53, got ${value}`)
    }
  }
  if (features.defaultWindowSize / 4096 > 0xffff_ffff) throw new RangeError('the default window has 2^32 pages at most')
  if (!(Number.isInteger(features.dynamicWindowHi) && features.dynamicWindowHi >= 0)) {
    throw new RangeError(`dynamicWindowHi is an unsigned 32-bit integer, got ${features.dynamicWindowHi}`)
  }
  for (const shift of features.pageShifts) {
    if (!(Number.isInteger(shift) && shift >= 12 && shift <= 34)) {
      throw new RangeError(`a page shift is an integer from 12 to 34, got ${shift}`)
    }
  }
  return features
}
