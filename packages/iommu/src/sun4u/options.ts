import type { GuestRam } from '@dmascope/memory'
import type { RefusedAccess } from '../access-faults.ts'

/** In what the hardware and QEMU’s model of it differ. */
export interface Sun4uFeatures {
  /** It keeps entries that it has used until software flushes them. QEMU reads the TSB at each access. */
  readonly keepsEntries: boolean
  /** What it refuses shows in the control register and in the IOTLB’s tags. QEMU tells software nothing. */
  readonly recordsErrors: boolean
  /**
   * It answers addresses of 32 bits in those eighths of their space that `setTargets` names, and such of 64 bits whose
   * upper 14 are ones, which go past translation. QEMU takes every address, and looks at the bits that choose an entry.
   */
  readonly decodesTargets: boolean
}

/** A fault, for an observer: `reason` is `SUN4U_FAULTS[...].value`, or `UNSUPPORTED_REQUEST`. */
export type SeenFault = RefusedAccess

/** Where the TSB lies, and who is told of what is refused. */
export interface Sun4uOptions extends Partial<Sun4uFeatures> {
  /** The machine’s memory, where software writes the TSB. */
  readonly ram: GuestRam
  readonly onFault?: (fault: SeenFault) => void
}

/** Puts the defaults in: the hardware. */
export const completeFeatures = ({
  keepsEntries = true,
  recordsErrors = true,
  decodesTargets = true,
}: Partial<Sun4uFeatures>): Sun4uFeatures => ({ keepsEntries, recordsErrors, decodesTargets })
