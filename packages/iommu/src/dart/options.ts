import type { GuestRam } from '@dmascope/memory'
import type { RefusedAccess } from '../access-faults.ts'

/** A fault, for an observer: `reason` is `DART_FAULTS[...].value`, or `UNSUPPORTED_REQUEST`. */
export type SeenFault = RefusedAccess

export interface DartOptions {
  /** The north bridge: U3 of the first G5s, or U4 (CPC945), whose table can be longer and which lets addresses pass. */
  readonly model: 'u3' | 'u4'
  /** Memory with the table: the machine's own, which software writes. */
  readonly ram: GuestRam
  readonly onFault?: (fault: SeenFault) => void
}
