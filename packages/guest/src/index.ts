export type {
  AssignedDevice,
  AssignmentGroup,
  AssignmentStep,
  GuestAssignment,
  ReturnedDevice,
} from './assign/assignment-result.ts'
export { type BootOptions, bootGuest } from './boot.ts'
export type { GuestProfile } from './profile/guest-profile.ts'
export { type KernelCommandLine, parseKernelCommandLine } from './profile/kernel-command-line.ts'
export { type GuestListing, listGuests, parseGuest } from './profile/parse-guest.ts'
export { refuseUnmodelledParameters } from './profile/unmodelled-parameters.ts'
export type { DomainType, Fact, GuestDevice, GuestIommu, GuestResult } from './result.ts'
export type { CpuOperation, CpuTrace } from './trace/cpu-trace.ts'
export { recordCpuBus } from './trace/record.ts'
export { type ReplayedBus, replayCpuBus } from './trace/replay.ts'
