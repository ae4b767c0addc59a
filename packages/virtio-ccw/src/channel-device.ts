import type { DmaPort } from '@dmascope/memory'
import type { ChannelData } from './channel-data.ts'

/** How a command ended. */
export const COMMAND_DONE = 0
/** The device has no such command, or not now: unit check, with command reject in the sense data. */
export const COMMAND_REJECTED = 1
/** The program is wrong: its data area does not fit the command, or leads nowhere. */
export const COMMAND_PROGRAM_CHECK = 2
/** The command has data, and the CCW names none. */
export const COMMAND_DATA_CHECK = 3

export type CommandResult =
  | typeof COMMAND_DONE
  | typeof COMMAND_REJECTED
  | typeof COMMAND_PROGRAM_CHECK
  | typeof COMMAND_DATA_CHECK

/** One command, as a control unit gets it. */
export interface ChannelCommand {
  readonly code: number
  /** The data's length must be the command's: suppressing the length indication was not asked for. */
  readonly exact: boolean
  readonly data: ChannelData
}

/** What a device's interruptions leave it by. */
export interface ChannelInterrupts {
  /** Makes the subchannel status pending with an alert, unless it is pending already. */
  alert(): void
  /** An adapter interruption of this interruption subclass. */
  adapter(isc: number): void
}

/** A device at the end of a subchannel, with its control unit. */
export interface ChannelDevice {
  /** What SENSE ID says of it. */
  readonly cuType: number
  readonly cuModel: number
  /** Once, before anything else. */
  connect(dma: DmaPort, interrupts: ChannelInterrupts): void
  execute(command: ChannelCommand): CommandResult
  /** Software disabled the subchannel. */
  disabled(): void
  work(budget: number): 'idle' | 'more' | 'waiting'
}
