export type { ChannelData } from './channel-data.ts'
export type {
  ChannelCommand,
  ChannelDevice,
  ChannelInterrupts,
  CommandResult,
} from './channel-device.ts'
export {
  COMMAND_DATA_CHECK,
  COMMAND_DONE,
  COMMAND_PROGRAM_CHECK,
  COMMAND_REJECTED,
} from './channel-device.ts'
export type { ChannelPlace, IoInterruption } from './channel-subsystem.ts'
export { ChannelSubsystem } from './channel-subsystem.ts'
export type { OperandStorage } from './io-instruction.ts'
export { ioInstruction } from './io-instruction.ts'
export type { Subchannel } from './subchannel.ts'
export type { VirtioCcwOptions } from './virtio-ccw-device.ts'
export { VirtioCcwDevice } from './virtio-ccw-device.ts'
