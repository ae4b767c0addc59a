import type { MachineDescription } from '@dmascope/machine'

/** A machine, and the guest that its source asks for, where it does. */
export interface LoadedSource {
  readonly description: MachineDescription
  readonly guest: string | null
  /** Bytes that each I/O self-test moves, where the source says so. */
  readonly selfTestBytes?: number
}
